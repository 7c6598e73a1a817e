// A PostgreSQL warehouse looked at for the doctor: how fast and how late it is, and whether rows may be written.

import { checkClock, fail, type Notice, ok, warn } from '../../telemetry/notices.ts'
import { featureSchema } from '../port.ts'
import type { Session } from './session.ts'

export async function examineServer(session: Session): Promise<Notice[]> {
  const askedMs = Date.now()
  const [[version, nowMs, tables] = []] = await session.query(
    `SELECT current_setting('server_version'), (extract(epoch FROM clock_timestamp()) * 1000)::float8,
      (SELECT string_agg(c.relname, ', ') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = $1 AND c.relkind = 'r' AND NOT has_table_privilege(c.oid, 'SELECT, INSERT'))`,
    [featureSchema],
  )
  const answeredMs = Date.now()
  return [
    ok(`PostgreSQL ${version} answers in ${answeredMs - askedMs} ms`),
    checkClock(Number(nowMs), askedMs, answeredMs),
    await checkRole(session),
    tables == null
      ? ok(`the tables of ${featureSchema} may be read and written`)
      : fail(
          `these tables of ${featureSchema} may not be read and written: ${tables}`,
          `as their owner: GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA ${featureSchema} TO …`,
        ),
  ]
}

export async function checkRole(session: Session): Promise<Notice> {
  const [[role, isSuperuser] = []] = await session.query(
    'SELECT rolname::text, rolsuper::text FROM pg_roles WHERE rolname = current_user',
  )
  if (isSuperuser !== 'true') return ok(`its role ${role} is no superuser`)
  return warn(
    `its role ${role} is a superuser, whom no privilege holds back from files and settings of the server`,
    'give it a role that owns no more than it writes (docs/postgres-warehouse.md), or ALTER ROLE … NOSUPERUSER',
  )
}
