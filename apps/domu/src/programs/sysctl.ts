/*
 * sysctl [NAME…]: shows what the kernel says of itself; every node without a name, or those whose names begin so.
 * sysctl -w NAME=NUMBER: sets a node.
 */
import {
  done,
  goto,
  type Next,
  type Program,
  routine,
  SYS___sysctl,
  syscall,
  type UserContext,
} from '@port-xen/kern';
import { array, bytes, i32, ldI64, st64, struct, u32, u64, type View } from '@port-xen/layout';
import { strerror } from './strerror.ts';
import { SYSCTL_NODES, type SysctlNode } from './sysctl-nodes.ts';
import { argumentsOf, exit, print } from './user.ts';

const VALUE_MAX = 128;
const ARGS_MAX = 256;

const sysctl_data = struct('sysctl_data', {
  mib: array(i32, 2),
  size: u64,
  value: bytes(VALUE_MAX),
  wanted: u64,
  /** Which node is next. */
  next: u32,
  shown: u32,
  /** The names, each with a NUL after it. */
  names: bytes(ARGS_MAX),
  line: bytes(512),
});

const running = struct('sysctl_locals', { pad: u64 });

const dataOf = (u: UserContext): View<typeof sysctl_data> => sysctl_data.at(u.memory, u.data);
const SIZE = sysctl_data.offset.size;
const VALUE = sysctl_data.offset.value;
const WANTED = sysctl_data.offset.wanted;

const say = (u: UserContext, then: string, text: string): Next =>
  print(u, then, u.data + sysctl_data.offset.line, text);

/** The names that were asked for. */
const namesOf = (u: UserContext): string[] =>
  String.fromCharCode(...dataOf(u).names)
    .split('\0')
    .filter((name) => name !== '');

const isWanted = (u: UserContext, node: SysctlNode): boolean => {
  const names = namesOf(u);
  return names.length === 0 || names.some((name) => `${node.name}.`.startsWith(`${name}.`));
};

const ask = (u: UserContext, then: string, node: SysctlNode, write: boolean): Next => {
  const d = dataOf(u);
  node.mib.forEach((number, i) => {
    d.mib.set(i, number);
  });
  d.size = VALUE_MAX;
  const { data } = u;
  return write
    ? syscall(then, SYS___sysctl, data, 2, 0, 0, data + WANTED, 8)
    : syscall(then, SYS___sysctl, data, 2, data + VALUE, data + SIZE, 0, 0);
};

/** A node's value as text. */
const valueText = (u: UserContext, node: SysctlNode): string => {
  const count = dataOf(u).size / node.word;
  const words = Array.from({ length: count }, (_, i) => {
    const at = u.data + VALUE + i * node.word;
    return node.word === 4 ? u.memory.ld32(at) : ldI64(u.memory, at);
  });
  if (node.fields.length === 0) return String(words[0]);
  return words.map((word, i) => `${node.fields[i] ?? i} = ${word}`).join(', ');
};

export const sysctl: Program = {
  name: 'sysctl',
  data: sysctl_data,
  entry: 'main',
  text: {
    main: routine(running, {
      start: (u: UserContext, _, argc, argv) => {
        const [, ...args] = argumentsOf(u, argc, argv);
        if (args[0] !== '-w') {
          const names = args
            .map((name) => `${name}\0`)
            .join('')
            .slice(0, ARGS_MAX);
          dataOf(u).names = Uint8Array.from(names, (c) => c.charCodeAt(0));
          return goto('next');
        }
        const [name, number] = (args[1] ?? '').split('=');
        const node = SYSCTL_NODES.find((one) => one.name === name);
        if (node === undefined || !/^\d{1,15}$/.test(number ?? '')) {
          return say(u, 'failed', `sysctl: expected NAME=NUMBER, found ${args[1] ?? 'nothing'}\n`);
        }
        st64(u.memory, u.data + WANTED, Number(number));
        return ask(u, 'written', node, true);
      },
      written: (u: UserContext, _, result) =>
        result < 0 ? say(u, 'failed', `sysctl: cannot be set: ${strerror(-result)}\n`) : exit(0),

      next: (u: UserContext) => {
        const d = dataOf(u);
        const node = SYSCTL_NODES[d.next];
        if (node === undefined) return goto('end');
        if (isWanted(u, node)) return ask(u, 'taken', node, false);
        d.next++;
        return goto('next');
      },
      taken: (u: UserContext, _, result) => {
        const d = dataOf(u);
        const node = SYSCTL_NODES[d.next];
        d.next++;
        if (node === undefined || result < 0) return goto('next');
        d.shown++;
        return say(u, 'next', `${node.name} = ${valueText(u, node)}\n`);
      },
      end: (u: UserContext) =>
        dataOf(u).shown > 0 ? exit(0) : say(u, 'failed', 'sysctl: there is no such node\n'),
      failed: () => exit(1),
      never: () => done(),
    }),
  },
};
