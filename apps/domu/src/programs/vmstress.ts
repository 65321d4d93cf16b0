/*
 * vmstress [MIB [CHILDREN [ROUNDS [SEED]]]]: memory under stress.
 *
 *     parent   maps MIB, fills every page, then forks CHILDREN; stores to pages itself while they live; waits for them;
 *              checks every page
 *     child    ROUNDS times: a page at random, checked, then stored to; at last every page is checked
 *
 * A page holds its number and a stamp of who stored to it last and how often, in several places. What the stamp has to be is in a
 * table that is memory too. More memory than there is makes pages go to the swap disk and come back. The parent ends with status 1
 * when anything was not as it had been left, anywhere.
 */
import {
  done,
  goto,
  type Next,
  type Program,
  routine,
  SYS___wait450,
  SYS_fork,
  SYS_mmap,
  SYS_munmap,
  syscall,
  type UserContext,
} from '@port-xen/kern';
import { bytes, i32, i64, ldI64, st64, struct, u32, u64, type View } from '@port-xen/layout';
import { xorshift } from './pattern-block.ts';
import { strerror } from './strerror.ts';
import { argumentsOf, exit, numberOf, print } from './user.ts';

const PAGE = 4096;
const MIB = 2 ** 20;
const PROT_RW = 3;
const MAP_ANON_PRIVATE = 0x1002;
/** Pages that one macro-instruction fills or checks. */
const SOME = 8;
const PAGE_NS = 1000;
/** Where in a page its words are. */
const PLACES = [0, 1368, 2048, 4080];
/** A stamp: 0 the filling, else who (1 … 15) and how often modulo 16. */
const STAMPS = 16;

const vmstress_data = struct('vmstress_data', {
  area: i64,
  /** A byte for each page: its stamp. */
  stamps: i64,
  pages: u32,
  children: u32,
  rounds: u32,
  random: i32,
  /** 0 in the parent, else which child this is. */
  self: u32,
  forked: u32,
  waited: u32,
  done: u32,
  /** The next page to be filled or checked. */
  next: u32,
  stores: u32,
  status: u32,
  failed: u32,
  line: bytes(256),
});

type Data = View<typeof vmstress_data>;

const running = struct('vmstress_locals', { pad: u64 });

const dataOf = (u: UserContext): Data => vmstress_data.at(u.memory, u.data);

const say = (u: UserContext, then: string, text: string): Next =>
  print(u, then, u.data + vmstress_data.offset.line, text);

const stamp = (u: UserContext, page: number, value: number): void => {
  const d = dataOf(u);
  u.memory.st8(d.stamps + page, value);
  for (const place of PLACES) st64(u.memory, d.area + page * PAGE + place, page * 256 + value);
  u.spend(PAGE_NS);
};

const isRight = (u: UserContext, page: number): boolean => {
  const d = dataOf(u);
  const expected = page * 256 + u.memory.ld8(d.stamps + page);
  u.spend(PAGE_NS);
  return PLACES.every((place) => ldI64(u.memory, d.area + page * PAGE + place) === expected);
};

/** Checks a page at random and stores to it. @returns what to go on with */
const touch = (u: UserContext, then: string): Next => {
  const d = dataOf(u);
  d.random = xorshift(d.random);
  const page = (d.random >>> 0) % d.pages;
  if (!isRight(u, page)) return say(u, 'failed', `vmstress: page ${page} is wrong\n`);
  d.stores++;
  stamp(u, page, ((d.self + 1) % STAMPS) * STAMPS + (d.stores % STAMPS));
  return goto(then);
};

export const vmstress: Program = {
  name: 'vmstress',
  data: vmstress_data,
  entry: 'main',
  text: {
    main: routine(running, {
      start: (u: UserContext, _, argc, argv) => {
        const [, mib, children, rounds, seed] = argumentsOf(u, argc, argv);
        const d = dataOf(u);
        d.pages = (numberOf(mib, 4) * MIB) / PAGE;
        d.children = numberOf(children, 3);
        d.rounds = numberOf(rounds, 1000);
        d.random = Math.imul(numberOf(seed, 1) + 1, 0x9e3779b1) | 1;
        return syscall('mapped', SYS_mmap, 0, d.pages * PAGE, PROT_RW, MAP_ANON_PRIVATE);
      },
      mapped: (u: UserContext, _, address) => {
        if (address < 0) return say(u, 'failed', `vmstress: mmap: ${strerror(-address)}\n`);
        const d = dataOf(u);
        d.area = address;
        return syscall('both', SYS_mmap, 0, d.pages, PROT_RW, MAP_ANON_PRIVATE);
      },
      both: (u: UserContext, _, address) => {
        if (address < 0) return say(u, 'failed', `vmstress: mmap: ${strerror(-address)}\n`);
        dataOf(u).stamps = address;
        return goto('fill');
      },
      fill: (u: UserContext) => {
        const d = dataOf(u);
        const end = Math.min(d.next + SOME, d.pages);
        for (let page = d.next; page < end; page++) stamp(u, page, 0);
        d.next = end;
        return goto(end < d.pages ? 'fill' : 'fork');
      },
      fork: (u: UserContext) => {
        const d = dataOf(u);
        return d.forked === d.children ? goto('parent') : syscall('forked', SYS_fork);
      },
      forked: (u: UserContext, _, pid) => {
        const d = dataOf(u);
        if (pid < 0) return say(u, 'failed', `vmstress: fork: ${strerror(-pid)}\n`);
        d.forked++;
        if (pid > 0) return goto('fork');
        d.self = d.forked;
        d.random = Math.imul(d.random + d.self, 0x85ebca6b) | 1;
        return goto('child');
      },
      child: (u: UserContext) => {
        const d = dataOf(u);
        d.next = 0;
        return d.done++ < d.rounds ? touch(u, 'child') : goto('check');
      },
      /** The parent stores to its pages while the children look at theirs. */
      parent: (u: UserContext) => {
        const d = dataOf(u);
        return d.done++ < d.rounds ? touch(u, 'parent') : goto('wait');
      },
      wait: (u: UserContext) => {
        const d = dataOf(u);
        d.next = 0;
        if (d.waited === d.forked) return goto('check');
        return syscall('reaped', SYS___wait450, -1, u.data + vmstress_data.offset.status, 0, 0);
      },
      reaped: (u: UserContext, _, pid) => {
        const d = dataOf(u);
        d.waited++;
        if (pid < 0 || d.status !== 0) d.failed++;
        return goto('wait');
      },
      check: (u: UserContext) => {
        const d = dataOf(u);
        const end = Math.min(d.next + SOME, d.pages);
        for (let page = d.next; page < end; page++) {
          if (!isRight(u, page))
            return say(u, 'failed', `vmstress: at the end, page ${page} is wrong\n`);
        }
        d.next = end;
        if (end < d.pages) return goto('check');
        return d.self > 0 ? exit(0) : syscall('unmapped', SYS_munmap, d.area, d.pages * PAGE);
      },
      unmapped: (u: UserContext) => {
        const d = dataOf(u);
        const text = `${d.pages} pages, ${d.forked} children, ${d.rounds} rounds, ${d.failed} failed`;
        return say(u, d.failed === 0 ? 'ended' : 'failed', `vmstress: ${text}\n`);
      },
      ended: () => exit(0),
      failed: () => exit(1),
      never: () => done(),
    }),
  },
};
