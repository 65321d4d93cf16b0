/*
 * Packages of the kernel that others call directly, and not by an entry point of the kernel's text: which of their methods run is heard here.
 */
import { Clock } from '@port-xen/clock';
import { Evtchn } from '@port-xen/evtchn';
import { Xencons } from '@port-xen/xencons';
import { Xengnt } from '@port-xen/xengnt';

type Method = (...args: unknown[]) => unknown;

const WATCHED: Readonly<Record<string, { readonly prototype: object }>> = {
  xengnt: Xengnt,
  evtchn: Evtchn,
  clock: Clock,
  xencons: Xencons,
};

/** The packages. */
export const WATCHED_PACKAGES: readonly string[] = Object.keys(WATCHED);

/** Methods of a class and of those that it extends, the nearest of a name. Accessors, and what is private to a class, are none. */
const methodsOf = (prototype: object): ReadonlyMap<string, Method> => {
  const methods = new Map<string, Method>();
  for (let of = prototype; of !== Object.prototype; of = Object.getPrototypeOf(of)) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(of))) {
      if (name === 'constructor' || typeof value !== 'function' || methods.has(name)) continue;
      methods.set(name, value as Method);
    }
  }
  return methods;
};

/**
 * Does something, and tells of each call of a method meanwhile.
 * @param onCall told the package and the method
 */
export const watchMethods = <T>(
  onCall: (module: string, method: string) => void,
  run: () => T,
): T => {
  const undo: (() => void)[] = [];
  try {
    for (const [module, { prototype }] of Object.entries(WATCHED)) {
      for (const [name, method] of methodsOf(prototype)) {
        const own = Object.getOwnPropertyDescriptor(prototype, name);
        const watched = function (this: unknown, ...args: unknown[]): unknown {
          onCall(module, name);
          return method.apply(this, args);
        };
        Object.defineProperty(prototype, name, {
          value: watched,
          configurable: true,
          writable: true,
        });
        undo.push(() => {
          if (own === undefined) Reflect.deleteProperty(prototype, name);
          else Object.defineProperty(prototype, name, own);
        });
      }
    }
    return run();
  } finally {
    for (const step of undo) step();
  }
};
