/*
 * Programs that make processes and share memory with them.
 */
import {
  done,
  goto,
  type Next,
  type Program,
  routine,
  SYS___wait450,
  SYS_execve,
  SYS_exit,
  SYS_fork,
  SYS_mmap,
  SYS_munmap,
  SYS_write,
  syscall,
  type UserContext,
} from '@port-xen/kern';
import { bytes, cString, i64, ldI64, st64, struct, u32, u64, type View } from '@port-xen/layout';

const PAGE = 4096;
const PROT_RW = 3;
const MAP_ANON_PRIVATE = 0x1002;

const breeding_data = struct('breeding_data', {
  child: u64,
  end: u64,
  status: u32,
  failures: u32,
  argv: bytes(16),
  name: bytes(16),
  line: bytes(64),
  /** Touched by each child: some pages of its own. */
  heap: bytes(5 * PAGE),
});
const cow_data = struct('cow_data', { area: i64, status: u32, generation: u32, line: bytes(64) });
const running = struct('running', { n: i64, m: i64 });

const argument = (u: UserContext, argv: number, index: number): string => {
  const at = ldI64(u.memory, argv + 8 * index);
  let text = '';
  for (let i = 0; u.memory.ld8(at + i) !== 0; i++)
    text += String.fromCharCode(u.memory.ld8(at + i));
  return text;
};

const print = (u: UserContext, then: string, line: number, text: string): Next => {
  u.memory.write(u.data + line, cString(text));
  return syscall(then, SYS_write, 1, u.data + line, text.length);
};

/** Ends at once, with status 42. */
export const quitter: Program = {
  name: 'quitter',
  data: running,
  entry: 'main',
  text: {
    main: routine(running, {
      start: () => syscall('never', SYS_exit, 42),
      never: () => done(),
    }),
  },
};

const breeding = (u: UserContext): View<typeof breeding_data> => breeding_data.at(u.memory, u.data);
const LINE = breeding_data.offset.line;

/** breeder N: N children one after the other, every third of which becomes a quitter; tells each hundred. */
export const breeder: Program = {
  name: 'breeder',
  data: breeding_data,
  entry: 'main',
  text: {
    main: routine(running, {
      start: (u: UserContext, _, __, argv) => {
        breeding(u).end = Number(argument(u, argv, 1));
        return goto('fork');
      },
      fork: () => syscall('forked', SYS_fork),
      forked: (u: UserContext, _, pid) => {
        const d = breeding(u);
        if (pid < 0) return print(u, 'never', LINE, `fork: error ${-pid}\n`);
        if (pid > 0) return syscall('waited', SYS___wait450, pid, u.data + 16, 0, 0);
        u.memory.write(u.data + breeding_data.offset.heap, new Uint8Array(5 * PAGE).fill(1));
        if (d.child % 3 !== 0) return syscall('never', SYS_exit, d.child % 100);
        d.name = cString('quitter');
        st64(u.memory, u.data + breeding_data.offset.argv, u.data + breeding_data.offset.name);
        const path = u.data + breeding_data.offset.name;
        return syscall('unstarted', SYS_execve, path, u.data + breeding_data.offset.argv, 0);
      },
      unstarted: () => syscall('never', SYS_exit, 99),
      waited: (u: UserContext, _, pid) => {
        const d = breeding(u);
        const expected = d.child % 3 !== 0 ? d.child % 100 : 42;
        if (pid < 0 || d.status !== expected * 256) d.failures++;
        d.child++;
        const more = d.child < d.end ? 'fork' : 'stay';
        return d.child % 100 === 0
          ? print(u, more, LINE, `bred ${d.child}, ${d.failures} failures\n`)
          : goto(more);
      },
      stay: () => syscall('stay', SYS___wait450, -1, 0, 0, 0),
      never: () => done(),
    }),
  },
};

const PAGES = 300;
const cow = (u: UserContext): View<typeof cow_data> => cow_data.at(u.memory, u.data);
const COW_LINE = cow_data.offset.line;
const STATUS = cow_data.offset.status;

/** Pages written at a time by one macro-instruction. */
const fillSome = (u: UserContext, from: number, generation: number): void => {
  const { area } = cow(u);
  for (let page = from; page < Math.min(PAGES, from + 20); page++) {
    st64(u.memory, area + page * PAGE + 8 * (page % 512), page * 1000 + generation);
  }
};

const wrongPages = (u: UserContext, generationOf: (page: number) => number): number => {
  const { area } = cow(u);
  let wrong = 0;
  for (let page = 0; page < PAGES; page++) {
    const found = ldI64(u.memory, area + page * PAGE + 8 * (page % 512));
    if (found !== page * 1000 + generationOf(page)) wrong++;
  }
  return wrong;
};

/**
 * Fills an area, forks; the child checks it, writes every second page, forks again, and its child checks that; each writes
 * while the others live. Ends with how many pages were not as they should have been.
 */
export const cower: Program = {
  name: 'cower',
  data: cow_data,
  entry: 'main',
  text: {
    main: routine(running, {
      start: () => syscall('mapped', SYS_mmap, 0, (PAGES + 10) * PAGE, PROT_RW, MAP_ANON_PRIVATE),
      mapped: (u: UserContext, _, area) => {
        if (area < 0) return syscall('never', SYS_exit, 1);
        cow(u).area = area;
        return syscall('fill', SYS_munmap, area + PAGES * PAGE, 10 * PAGE);
      },
      fill: (u: UserContext, l) => {
        fillSome(u, l.n, 1);
        l.n += 20;
        return goto(l.n < PAGES ? 'fill' : 'fork');
      },
      fork: () => syscall('forked', SYS_fork),
      forked: (u: UserContext, l, pid) => {
        const { generation } = cow(u);
        l.n = 0;
        if (pid > 0) return goto('scribble');
        cow(u).generation = generation + 1;
        return goto('check');
      },
      /** In a child: what the parent wrote before the fork is there, whatever it does now. */
      check: (u: UserContext) => {
        const { generation } = cow(u);
        const wrong = wrongPages(u, (page) => (page % 2 === 0 ? generation : 1));
        if (wrong > 0) return syscall('never', SYS_exit, Math.min(wrong, 100));
        return goto(generation < 3 ? 'even' : 'leave');
      },
      even: (u: UserContext, l) => {
        const { area, generation } = cow(u);
        for (let page = l.n; page < Math.min(PAGES, l.n + 40); page += 2) {
          st64(u.memory, area + page * PAGE + 8 * (page % 512), page * 1000 + generation + 1);
        }
        l.n += 40;
        return goto(l.n < PAGES ? 'even' : 'fork');
      },
      /** In a parent: overwrites everything, waits, and checks that it is what it wrote. */
      scribble: (u: UserContext, l) => {
        fillSome(u, l.n, 77);
        l.n += 20;
        if (l.n < PAGES) return goto('scribble');
        return syscall('waited', SYS___wait450, -1, u.data + STATUS, 0, 0);
      },
      waited: (u: UserContext) => {
        const { status, generation } = cow(u);
        const wrong = wrongPages(u, () => 77) + status / 256;
        if (generation > 0) return syscall('never', SYS_exit, Math.min(wrong, 100));
        return print(u, 'leave', COW_LINE, `cower: ${wrong} pages wrong\n`);
      },
      leave: () => syscall('never', SYS_exit, 0),
      never: () => done(),
    }),
  },
};
