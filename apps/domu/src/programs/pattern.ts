/*
 * pattern DEVICE [SEED [PASSES]]: writes a disk with blocks that say what they are, in random order, and reads them back.
 *
 *     a step     one to four blocks from a random place: written, each one's generation one higher; or read, and compared with
 *                the generation that they were written last with; now and then a flush. One write in eight goes through a
 *                descriptor with O_DSYNC: a barrier, while the disk has such
 *     at first   every block is written once, in the order of a permutation
 *     at last    a flush, and every block is read and compared; the digest of the whole is printed, so that anybody who has
 *                the disk can tell whether it holds what the program says
 *
 * The generations are in memory, a byte a block. PASSES says how many steps there are for each block.
 */
import {
  done,
  EOPNOTSUPP,
  goto,
  type Next,
  O_DSYNC,
  type Program,
  routine,
  SYS_fsync,
  SYS_lseek,
  SYS_mmap,
  SYS_open,
  SYS_read,
  SYS_write,
  syscall,
  type UserContext,
} from '@port-xen/kern';
import { array, bytes, i32, i64, ldI64, struct, u32, u64, type View } from '@port-xen/layout';
import { BLOCK_SIZE, patternBlock, patternFault, xorshift } from './pattern-block.ts';
import { SHA256_INITIAL, sha256Blocks, sha256Hex, sha256Padding } from './sha256-block.ts';
import { strerror } from './strerror.ts';
import { argument, argumentsOf, exit, print, wholeNumber } from './user.ts';

const RUN_MAX = 4;
/** One write in so many is a barrier. */
const BARRIER_EVERY = 8;
const SEEK_SET = 0;
const SEEK_END = 2;
const O_RDWR = 2;
const PROT_RW = 3;
const MAP_ANON_PRIVATE = 0x1002;
/** Virtual time of making or comparing a block. */
const BLOCK_NS = 4000;
const GENERATION_MAX = 255;
const U32_MAX = 2 ** 32 - 1;
const USAGE = `usage: pattern DEVICE [SEED [PASSES]], both at most ${U32_MAX}\n`;

const pattern_data = struct('pattern_data', {
  /** Page-aligned: the disk reads and writes it. */
  buffer: bytes(RUN_MAX * BLOCK_SIZE),
  fd: i64,
  /** The same disk, opened with O_DSYNC; -1 once the disk has turned out to have no barriers. */
  barrier_fd: i64,
  /** Which of them the step uses. */
  using: i64,
  argv: i64,
  /** Where the generations are. */
  generations: i64,
  blocks: u32,
  seed: u32,
  passes: u32,
  /** The generator's state. */
  random: i32,
  /** Steps made; the first `blocks` of them are the permutation's. */
  step: u32,
  stride: u32,
  /** The run of blocks that is under way. */
  first: u32,
  count: u32,
  writes: u32,
  reads: u32,
  flushes: u32,
  barriers: u32,
  h: array(i32, 8),
  line: bytes(256),
});

type Data = View<typeof pattern_data>;

const running = struct('pattern_locals', { pad: u64 });

const dataOf = (u: UserContext): Data => pattern_data.at(u.memory, u.data);

const say = (u: UserContext, then: string, text: string): Next =>
  print(u, then, u.data + pattern_data.offset.line, text);

const complain = (u: UserContext, what: string, result: number): Next => {
  const device = argument(u, dataOf(u).argv, 1).slice(0, 64);
  // Less than was asked for is no error of the kernel's.
  const why = result < 0 ? strerror(-result) : `only ${result} bytes`;
  return say(u, 'failed', `pattern: ${device} ${what}: ${why}\n`);
};

/** A number below `limit`, from the generator. */
const draw = (d: Data, limit: number): number => {
  d.random = xorshift(d.random);
  return (d.random >>> 0) % limit;
};

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

const generationOf = (u: UserContext, block: number): number =>
  u.memory.ld8(dataOf(u).generations + block);

/** Moves to the run and goes on at a step. */
const seek = (u: UserContext, then: string): Next => {
  const d = dataOf(u);
  return syscall(then, SYS_lseek, d.using, d.first * BLOCK_SIZE, SEEK_SET);
};

/** Compares the run that was read. @returns what is wrong with it; '' when it is right */
const faultOf = (u: UserContext): string => {
  const d = dataOf(u);
  const found = new Uint8Array(d.count * BLOCK_SIZE);
  u.memory.read(u.data, found);
  u.spend(d.count * BLOCK_NS);
  for (let i = 0; i < d.count; i++) {
    const block = d.first + i;
    const one = found.subarray(i * BLOCK_SIZE, (i + 1) * BLOCK_SIZE);
    const fault = patternFault(one, d.seed, block, generationOf(u, block));
    if (fault !== '') return `block ${block} ${fault}`;
  }
  return '';
};

export const pattern: Program = {
  name: 'pattern',
  data: pattern_data,
  entry: 'main',
  text: {
    main: routine(running, {
      start: (u: UserContext, _, argc, argv) => {
        const [, device, one = '1', two = '2', more] = argumentsOf(u, argc, argv);
        const seed = wholeNumber(one, U32_MAX);
        const passes = wholeNumber(two, U32_MAX);
        if (!device || seed === undefined || passes === undefined || more !== undefined) {
          return say(u, 'failed', USAGE);
        }
        const d = dataOf(u);
        d.argv = argv;
        d.seed = seed;
        d.passes = passes;
        d.random = Math.imul(d.seed + 1, 0x9e3779b1) | 1;
        SHA256_INITIAL.forEach((word, i) => {
          d.h.set(i, word);
        });
        return syscall('opened', SYS_open, ldI64(u.memory, argv + 8), O_RDWR);
      },
      opened: (u: UserContext, _, fd) => {
        if (fd < 0) return complain(u, 'cannot be opened', fd);
        const d = dataOf(u);
        d.fd = fd;
        return syscall('both', SYS_open, ldI64(u.memory, d.argv + 8), O_RDWR | O_DSYNC);
      },
      both: (u: UserContext, _, fd) => {
        if (fd < 0) return complain(u, 'cannot be opened', fd);
        dataOf(u).barrier_fd = fd;
        return syscall('sized', SYS_lseek, fd, 0, SEEK_END);
      },
      sized: (u: UserContext, _, size) => {
        const blocks = Math.floor(size / BLOCK_SIZE);
        if (blocks < RUN_MAX) return say(u, 'failed', `pattern: ${blocks} blocks are too few\n`);
        const d = dataOf(u);
        d.blocks = blocks;
        d.stride = 1 + draw(d, blocks - 1);
        while (gcd(d.stride, blocks) !== 1) d.stride++;
        return syscall('mapped', SYS_mmap, 0, blocks, PROT_RW, MAP_ANON_PRIVATE);
      },
      mapped: (u: UserContext, _, address) => {
        if (address < 0) return complain(u, 'has too many blocks', address);
        dataOf(u).generations = address;
        return goto('step');
      },

      step: (u: UserContext) => {
        const d = dataOf(u);
        if (d.step >= d.blocks * (1 + d.passes)) return syscall('synced', SYS_fsync, d.fd);
        if (draw(d, 50) === 0) return syscall('flushed', SYS_fsync, d.fd);
        if (d.step < d.blocks) {
          d.first = (d.step * d.stride) % d.blocks;
          d.count = 1;
        } else {
          d.first = draw(d, d.blocks);
          d.count = Math.min(1 + draw(d, RUN_MAX), d.blocks - d.first);
        }
        d.step++;
        const write = d.step <= d.blocks || draw(d, 2) === 0;
        const barrier = draw(d, BARRIER_EVERY) === 0 && d.barrier_fd >= 0;
        d.using = write && barrier ? d.barrier_fd : d.fd;
        const full = generationOf(u, d.first) === GENERATION_MAX;
        return seek(u, write && !full ? 'write' : 'read');
      },
      write: (u: UserContext) => {
        const d = dataOf(u);
        for (let i = 0; i < d.count; i++) {
          const block = d.first + i;
          const generation = Math.min(generationOf(u, block) + 1, GENERATION_MAX);
          u.memory.st8(d.generations + block, generation);
          u.memory.write(u.data + i * BLOCK_SIZE, patternBlock(d.seed, block, generation));
        }
        u.spend(d.count * BLOCK_NS);
        return syscall('written', SYS_write, d.using, u.data, d.count * BLOCK_SIZE);
      },
      written: (u: UserContext, _, result) => {
        const d = dataOf(u);
        if (result === -EOPNOTSUPP && d.using === d.barrier_fd) {
          d.barrier_fd = -1;
          d.using = d.fd;
          return seek(u, 'write');
        }
        if (result !== d.count * BLOCK_SIZE) return complain(u, 'cannot be written', result);
        d.writes++;
        if (d.using !== d.fd) d.barriers++;
        return goto('step');
      },
      read: (u: UserContext) => {
        const d = dataOf(u);
        return syscall('taken', SYS_read, d.using, u.data, d.count * BLOCK_SIZE);
      },
      taken: (u: UserContext, _, result) => {
        const d = dataOf(u);
        if (result !== d.count * BLOCK_SIZE) return complain(u, 'cannot be read', result);
        const fault = faultOf(u);
        if (fault !== '') return say(u, 'failed', `pattern: ${fault}\n`);
        d.reads++;
        return goto('step');
      },
      flushed: (u: UserContext, _, result) => {
        if (result < 0) return complain(u, 'cannot be flushed', result);
        dataOf(u).flushes++;
        return goto('step');
      },

      synced: (u: UserContext, _, result) => {
        if (result < 0) return complain(u, 'cannot be flushed', result);
        const d = dataOf(u);
        d.flushes++;
        d.first = 0;
        d.count = 1;
        d.using = d.fd;
        return seek(u, 'verify');
      },
      verify: (u: UserContext) => syscall('verified', SYS_read, dataOf(u).fd, u.data, BLOCK_SIZE),
      verified: (u: UserContext, _, result) => {
        if (result !== BLOCK_SIZE) return complain(u, 'cannot be read', result);
        const fault = faultOf(u);
        if (fault !== '') return say(u, 'failed', `pattern: at the end, ${fault}\n`);
        const d = dataOf(u);
        const state = Int32Array.from({ length: 8 }, (_value, i) => d.h.get(i));
        const block = new Uint8Array(BLOCK_SIZE);
        u.memory.read(u.data, block);
        sha256Blocks(state, block);
        u.spend(BLOCK_NS);
        state.forEach((word, i) => {
          d.h.set(i, word);
        });
        d.first++;
        return goto(d.first < d.blocks ? 'verify' : 'tell');
      },
      tell: (u: UserContext) => {
        const d = dataOf(u);
        const state = Int32Array.from({ length: 8 }, (_value, i) => d.h.get(i));
        sha256Blocks(state, sha256Padding(new Uint8Array(0), d.blocks * BLOCK_SIZE));
        const done = `${d.blocks} blocks, ${d.writes} writes, ${d.reads} reads, ${d.flushes} flushes, ${d.barriers} barriers`;
        return say(u, 'ended', `pattern: ${done}: sha256 ${sha256Hex(state)}\n`);
      },
      ended: () => exit(0),
      failed: () => exit(1),
      never: () => done(),
    }),
  },
};
