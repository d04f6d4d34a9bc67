/**
 * The three functions of the Reflect metadata proposal that the dependency injector inside `@peculiar/x509` refuses to
 * be imported without. Import this file before that library.
 */

const store = new WeakMap<object, Map<unknown, unknown>>();

const getOwnMetadata = (key: unknown, target: object): unknown => store.get(target)?.get(key);

function getMetadata(key: unknown, target: object | null): unknown {
  for (let at = target; at; at = Object.getPrototypeOf(at)) {
    if (store.get(at)?.has(key)) return getOwnMetadata(key, at);
  }
  return undefined;
}

function defineMetadata(key: unknown, value: unknown, target: object): void {
  const own = store.get(target) ?? new Map<unknown, unknown>();
  store.set(target, own.set(key, value));
}

if (!("getMetadata" in Reflect)) Object.assign(Reflect, { defineMetadata, getMetadata, getOwnMetadata });
