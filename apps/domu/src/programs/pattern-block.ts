/*
 * A block that says what it is, 4096 bytes:
 *
 *     0   'PATTERN1'
 *     8   seed         u32
 *     12  block        u32   its number on the disk
 *     16  generation   u32   how often the block was written
 *     20  words        u32 each, drawn from a generator whose state is the three of them
 *
 * So a block that is lost, stale, misplaced or torn is told from one that is right.
 */

export const BLOCK_SIZE = 4096;
const MAGIC = [0x54544150, 0x314e5245];
const WORDS = BLOCK_SIZE / 4;
const HEADER_WORDS = 5;

/** The next state of a 32-bit xorshift generator (Marsaglia 2003); never 0 from a state that is not. */
export const xorshift = (state: number): number => {
  let x = state;
  x ^= x << 13;
  x ^= x >>> 17;
  x ^= x << 5;
  return x;
};

/** The content of a block. */
export const patternBlock = (seed: number, block: number, generation: number): Uint8Array => {
  const words = new Int32Array(WORDS);
  words.set([...MAGIC, seed, block, generation]);
  let state = Math.imul(seed ^ Math.imul(block, 0x9e3779b1), 0x85ebca6b) ^ generation;
  if (state === 0) state = 1;
  for (let i = HEADER_WORDS; i < WORDS; i++) {
    state = xorshift(state);
    words[i] = state;
  }
  return new Uint8Array(words.buffer);
};

/** What is wrong with a block that was read; '' when it is right. */
export const patternFault = (
  found: Uint8Array,
  seed: number,
  block: number,
  generation: number,
): string => {
  const expected = patternBlock(seed, block, generation);
  const at = expected.findIndex((byte, i) => found[i] !== byte);
  if (at < 0) return '';
  const words = new Uint32Array(found.slice(0, 4 * HEADER_WORDS).buffer);
  if (words[0] !== MAGIC[0] || words[1] !== MAGIC[1]) return 'is no block of a pattern';
  if (words[2] !== seed) return `is of seed ${words[2]}`;
  if (words[3] !== block) return `is block ${words[3]}`;
  if (words[4] !== generation) return `is of generation ${words[4]}, not ${generation}`;
  return `differs from byte ${at} on`;
};
