# The gateway's image: dependencies and the generated client are made in one stage, run without them in the next.

FROM node:24-bookworm-slim AS build
WORKDIR /gateway
COPY package.json package-lock.json .npmrc prisma.config.ts schema.graphql ./
COPY prisma ./prisma
COPY examples/client ./examples/client
RUN npm ci
COPY src ./src
RUN npm run generate && npm prune --omit=dev --ignore-scripts

FROM node:24-bookworm-slim
# Debian keeps the newest version of each alone: one that is named is gone with its first fix.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends git openssh-client ca-certificates \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /gateway
COPY --from=build /gateway/package.json ./
COPY --from=build /gateway/node_modules ./node_modules
COPY --from=build /gateway/prisma ./prisma
COPY --from=build /gateway/src ./src
RUN install --directory --owner=node --group=node /data
# The image's own user `node`; by number, so that whoever runs it sees that it is not root.
USER 1000:1000
# Reached from beyond its own loopback, so callers sign in: `node src/operations/keys.ts create …` within it makes their keys.
ENV NODE_ENV=production HOST=0.0.0.0 AUTH=required PORT=4000 DATA_DIR=/data
# As `npm start` has it: glibc gives back what starting took, over a hundred megabytes.
ENV MALLOC_MMAP_THRESHOLD_=1048576 MALLOC_TRIM_THRESHOLD_=1048576
VOLUME /data
EXPOSE 4000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:4000/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "src/main.ts"]
