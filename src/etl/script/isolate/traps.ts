// Objects that run a script's code when they are read: proxies, and those with getters of their own. Results are read when
// the script has had its turn, so such ones are refused. To look for them costs time, which only scripts pay that may
// have made one.

const { defineProperty, getOwnPropertyDescriptor, hasOwn, keys } = Object
const NativeProxy = Proxy
const proxies = new WeakSet<object>()
let isPossible = false

/** From now on they are looked for. */
export function expectTraps(): void {
  isPossible = true
}

function replace(target: object, name: string, value: unknown): void {
  defineProperty(target, name, { value, writable: true, enumerable: false, configurable: true })
}

/** Puts `before` in front of a method. */
function precede(target: object, name: string, before: (args: readonly unknown[]) => void): void {
  const native: unknown = Reflect.get(target, name)
  if (typeof native !== 'function') return
  const watched = {
    [name](this: unknown, ...args: unknown[]): unknown {
      before(args)
      return Reflect.apply(native, this, args)
    },
  }[name]
  if (watched === undefined) return
  defineProperty(watched, 'length', { value: native.length, configurable: true })
  replace(target, name, watched)
}

function watchProxies(): void {
  function keep<T extends object>(proxy: T): T {
    isPossible = true
    proxies.add(proxy)
    return proxy
  }
  function WatchedProxy(this: unknown, target: object, handler: ProxyHandler<object>): object {
    if (new.target === undefined) throw new TypeError("Constructor Proxy requires 'new'")
    return keep(new NativeProxy(target, handler))
  }
  defineProperty(WatchedProxy, 'name', { value: 'Proxy', configurable: true })
  const { revocable } = NativeProxy
  replace(WatchedProxy, 'revocable', (target: object, handler: ProxyHandler<object>) => {
    const made = revocable(target, handler)
    keep(made.proxy)
    return made
  })
  replace(globalThis, 'Proxy', WatchedProxy)
}

/** Notes whenever a script makes what may be one. Literals with getters are seen in its source: see script.ts. */
export function watchForTraps(): void {
  for (const name of ['defineProperty', 'defineProperties']) precede(Object, name, expectTraps)
  precede(Object, 'create', (args) => {
    if (args[1] !== undefined) isPossible = true
  })
  precede(Reflect, 'defineProperty', expectTraps)
  for (const name of ['__defineGetter__', '__defineSetter__']) precede(Object.prototype, name, expectTraps)
  watchProxies()
}

export function isProxy(value: object): boolean {
  return isPossible && proxies.has(value)
}

/** Of an object that is no proxy, the first of its keys (or of a list's indexes) that a getter or setter stands behind. */
export function findAccessor(value: object): string | undefined {
  return isPossible ? searchAccessor(value) : undefined
}

function searchAccessor(value: object): string | undefined {
  const isAccessor = (key: string) => {
    const property = getOwnPropertyDescriptor(value, key)
    return property !== undefined && !hasOwn(property, 'value')
  }
  if (!Array.isArray(value)) return keys(value).find(isAccessor)
  for (let i = 0; i < value.length; i++) if (isAccessor(String(i))) return String(i)
  return undefined
}
