/*
 * sysctl [-an] [NAME…]: shows what the kernel says of itself: every node without a name or with -a, or those whose names begin so; with -n
 * without their names. sysctl -w NAME=NUMBER: sets a node.
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
import {
  array,
  bytes,
  i32,
  i64,
  ldI64,
  st64,
  struct,
  textOf,
  u32,
  u64,
  type View,
} from '@port-xen/layout';
import { strerror } from './strerror.ts';
import { SYSCTL_NODES, type SysctlNode } from './sysctl-nodes.ts';
import { argument, exit, print } from './user.ts';

const VALUE_MAX = 256;
const LINE_MAX = 512;
const USAGE = 'usage: sysctl [-an] [NAME], sysctl -w NAME=NUMBER\n';

const sysctl_data = struct('sysctl_data', {
  mib: array(i32, 2),
  size: u64,
  value: bytes(VALUE_MAX),
  wanted: u64,
  /** The names that are asked for are the arguments from this one on; how many of them were answered. */
  argc: u32,
  argv: i64,
  name: u32,
  asked: u32,
  /** Values alone are shown. */
  bare: u32,
  /** Which node is next. */
  next: u32,
  status: u32,
  line: bytes(LINE_MAX),
});

const running = struct('sysctl_locals', { pad: u64 });

const dataOf = (u: UserContext): View<typeof sysctl_data> => sysctl_data.at(u.memory, u.data);
const SIZE = sysctl_data.offset.size;
const VALUE = sysctl_data.offset.value;
const WANTED = sysctl_data.offset.wanted;

const say = (u: UserContext, then: string, text: string): Next =>
  print(u, then, u.data + sysctl_data.offset.line, text.slice(0, LINE_MAX));

/** The names that are asked for; none: all. */
const namesOf = (u: UserContext): string[] => {
  const { argc, argv, name } = dataOf(u);
  return Array.from({ length: argc - name }, (_, i) => argument(u, argv, name + i));
};

/** Whether a node is meant by a name, which may be that of a group; an empty one is that of all. */
const isNamed = (node: SysctlNode, name: string): boolean =>
  name === '' || `${node.name}.`.startsWith(`${name}.`);

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
  const d = dataOf(u);
  if (node.kind === 'text') return textOf(d.value.subarray(0, d.size));
  const size = node.kind === 'quad' ? 8 : 4;
  const words = Array.from({ length: d.size / size }, (_, i) => {
    const at = u.data + VALUE + i * size;
    if (node.kind === 'quad') return ldI64(u.memory, at);
    return node.kind === 'uint' ? u.memory.ld32(at) >>> 0 : u.memory.ld32(at);
  });
  if (node.fields.length === 0) return String(words[0]);
  return words.map((word, i) => `${node.fields[i] ?? i} = ${word}`).join(', ');
};

/** sysctl -w. @param text NAME=NUMBER */
const set = (u: UserContext, text: string): Next => {
  const [name = '', number = ''] = text.split('=');
  const node = SYSCTL_NODES.find((one) => one.name === name);
  if (node === undefined) return say(u, 'failed', `sysctl: ${name}: no such node\n`);
  if (!/^\d{1,15}$/.test(number)) {
    return say(u, 'failed', `sysctl: expected NAME=NUMBER, found ${text}\n`);
  }
  st64(u.memory, u.data + WANTED, Number(number));
  return ask(u, 'written', node, true);
};

export const sysctl: Program = {
  name: 'sysctl',
  data: sysctl_data,
  entry: 'main',
  text: {
    main: routine(running, {
      start: (u: UserContext, _, argc, argv) => {
        const d = dataOf(u);
        d.argc = argc;
        d.argv = argv;
        d.name = 1;
        const flags = argc > 1 ? argument(u, argv, 1) : '';
        if (flags === '-w') return argc === 3 ? set(u, argument(u, argv, 2)) : goto('usage');
        if (flags.startsWith('-')) {
          if (!/^-[an]+$/.test(flags)) return goto('usage');
          d.bare = flags.includes('n') ? 1 : 0;
          d.name = flags.includes('a') ? argc : 2;
        }
        return goto('next');
      },
      usage: (u: UserContext) => say(u, 'failed', USAGE),
      written: (u: UserContext, _, result) =>
        result < 0 ? say(u, 'failed', `sysctl: cannot be set: ${strerror(-result)}\n`) : exit(0),

      /** Name by name, node by node. */
      next: (u: UserContext) => {
        const d = dataOf(u);
        const names = namesOf(u);
        const name = names[d.asked] ?? '';
        if (d.asked > 0 && name === '') return exit(d.status);
        const node = SYSCTL_NODES.findIndex((one, i) => i >= d.next && isNamed(one, name));
        if (node >= 0) {
          d.next = node;
          return ask(u, 'taken', SYSCTL_NODES[node] as SysctlNode, false);
        }
        d.asked++;
        const found = d.next > 0;
        d.next = 0;
        if (found) return goto('next');
        d.status = 1;
        return say(u, 'next', `sysctl: ${name}: no such node\n`);
      },
      taken: (u: UserContext, _, result) => {
        const d = dataOf(u);
        const node = SYSCTL_NODES[d.next++];
        if (node === undefined) return goto('next');
        if (result < 0) {
          d.status = 1;
          return say(u, 'next', `sysctl: ${node.name}: ${strerror(-result)}\n`);
        }
        return say(u, 'next', `${d.bare === 0 ? `${node.name} = ` : ''}${valueText(u, node)}\n`);
      },
      failed: () => exit(1),
      never: () => done(),
    }),
  },
};
