// The Lua scripts of the Redis stores: what has to be decided and done in one step is done on the server.

import type { ChainableCommander, Cluster, Redis } from 'ioredis'

// They read an entry's head in place: format byte 16–23, from 20 on droppable, then the version, a little-endian float64
// (see packed.ts).
const readHead = `
local function version_of(head)
  if #head < 9 then return nil end
  local format = string.byte(head)
  if format < 16 or format > 23 then return nil end
  return (struct.unpack('<d', head, 2))
end
local function is_droppable(head)
  return version_of(head) ~= nil and string.byte(head) >= 20
end
`

/** KEYS: entries. ARGV: for each its packed form and its time to live in ms, 0 for ever. Answers '1' or '0' for each. */
const writeEntries = `${readHead}
local taken = {}
for i, key in ipairs(KEYS) do
  local packed, px = ARGV[2 * i - 1], ARGV[2 * i]
  local head = redis.call('GETRANGE', key, 0, 8)
  local stored = version_of(head)
  if stored and stored > version_of(packed) then
    taken[i] = '0'
  else
    if stored and is_droppable(packed) and not is_droppable(head) then
      packed = string.char(string.byte(packed) - 4) .. string.sub(packed, 2)
    end
    if px == '0' then redis.call('SET', key, packed) else redis.call('SET', key, packed, 'PX', px) end
    taken[i] = '1'
  end
end
return table.concat(taken)
`

/** KEYS: entries. ARGV: a version. Removes those that are of a lower version by now, and answers how many. */
const removeEntries = `${readHead}
local limit = tonumber(ARGV[1])
local removed, kept = 0, nil
for _, key in ipairs(KEYS) do
  local head = redis.call('GETRANGE', key, 0, 8)
  -- Most entries that stay are alike in this: their version need not be read.
  if head ~= kept then
    local version = version_of(head)
    if version and version >= limit then kept = head else removed = removed + redis.call('UNLINK', key) end
  end
end
return removed
`

/** KEYS: entries. Removes those that are droppable by now. */
const removeDroppable = `${readHead}
for _, key in ipairs(KEYS) do
  if is_droppable(redis.call('GETRANGE', key, 0, 8)) then redis.call('UNLINK', key) end
end
return 1
`

/** KEYS: a view's watermark. ARGV: the version to raise it to. */
const raiseWatermark = `
if tonumber(ARGV[1]) > tonumber(redis.call('GET', KEYS[1]) or '0') then redis.call('SET', KEYS[1], ARGV[1]) end
return 1
`

export interface RedisScripts {
  writeEntries(keys: readonly string[], args: readonly (Buffer | string)[]): Promise<string>
  removeEntries(keys: readonly string[], version: string): Promise<number>
  removeDroppable(keys: readonly string[]): Promise<unknown>
  raiseWatermark(key: string, version: string): Promise<unknown>
}

const scripts = {
  gatewayWriteEntries: writeEntries,
  gatewayRemoveEntries: removeEntries,
  gatewayRemoveDroppable: removeDroppable,
  gatewayRaiseWatermark: raiseWatermark,
}

export type ScriptName = keyof typeof scripts

/** Makes the scripts known to the client, which loads each once on every connection. */
export function defineScripts<Client extends Redis | Cluster>(client: Client): Client {
  for (const [name, lua] of Object.entries(scripts)) client.defineCommand(name, { lua })
  return client
}

/** Calls a script on a client that knows it, or adds the call to a pipeline of such a client. */
export function callScript(
  target: Redis | Cluster | ChainableCommander,
  name: ScriptName,
  keys: readonly string[],
  args: readonly (Buffer | string)[],
): Promise<unknown> | ChainableCommander {
  const script: unknown = Reflect.get(target, name)
  if (typeof script !== 'function') throw new Error(`ioredis does not know ${name}`)
  return script.call(target, keys.length, ...keys, ...args)
}
