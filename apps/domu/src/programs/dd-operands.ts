/*
 * What dd is asked for. Numbers are as strsuftoll(3) of NetBSD has them: decimal, with b (512), k, m, g, t or w (4) after it, and products
 * of such by x or *; capitals are none. What is not understood is refused: a wrong number would be a wrong place on a disk.
 */

export interface Operands {
  /** Block size, bytes. */
  readonly bs: number;
  /** Blocks. */
  readonly count: number;
  readonly skip: number;
  readonly seek: number;
  /** Each block is on the medium before the next is read. */
  readonly dsync: boolean;
  /** Which operands name the devices; -1: the console. */
  readonly from: number;
  readonly to: number;
  /** What is wrong, a sentence; '' when nothing is. */
  readonly wrong: string;
}

const BS_MAX = 65536;
const NAMES = ['if', 'of', 'bs', 'count', 'skip', 'seek', 'oflag'];
/** What belongs to a device that has to be named. */
const NEEDS: readonly (readonly [operand: string, device: string])[] = [
  ['skip', 'if'],
  ['seek', 'of'],
  ['oflag', 'of'],
];
const FACTOR: Readonly<Record<string, number>> = {
  '': 1,
  b: 512,
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
  t: 2 ** 40,
  w: 4,
};

/** A number of dd's; NaN for what is none. A product is of positive numbers: 0x10 means no place on a disk. */
const numberOf = (text: string): number => {
  const parts = text.split(/[x*]/);
  return parts.reduce((product, part) => {
    const [, digits = '', suffix = ''] = /^(\d+)([bkmgtw]?)$/.exec(part) ?? [];
    if (digits === '' || (parts.length > 1 && Number(digits) === 0)) return Number.NaN;
    return product * Number(digits) * (FACTOR[suffix] as number);
  }, 1);
};

const nothing = { bs: 512, count: 0, skip: 0, seek: 0, dsync: false, from: -1, to: -1 };

/** @param texts what stands after `dd` */
export const parseOperands = (texts: readonly string[]): Operands => {
  const refuse = (wrong: string): Operands => ({ ...nothing, wrong });
  const given = new Map<string, string>();
  for (const text of texts) {
    const [name = '', ...rest] = text.split('=');
    const value = rest.join('=');
    if (!NAMES.includes(name)) return refuse(`unknown operand ${name}`);
    if (value === '') return refuse(`no value specified for ${name}`);
    if (given.has(name)) return refuse(`${name}: already set`);
    given.set(name, value);
  }
  let wrong = '';
  const number = (name: string, fallback: number, min: number, max: number): number => {
    const text = given.get(name);
    const value = text === undefined ? fallback : numberOf(text);
    if (Number.isNaN(value)) wrong ||= `${name} \`${text}': illegal number`;
    else if (value < min) wrong ||= `${name} ${value} is less than ${min}.`;
    else if (value > max) wrong ||= `${name} ${value} is greater than ${max}.`;
    return value;
  };
  const bs = number('bs', 512, 1, BS_MAX);
  const blocks_max = Math.floor(Number.MAX_SAFE_INTEGER / (bs || 1));
  const count = number('count', blocks_max, 0, blocks_max);
  const skip = number('skip', 0, 0, blocks_max);
  const seek = number('seek', 0, 0, blocks_max);
  const oflag = given.get('oflag');
  if (oflag !== undefined && oflag !== 'dsync') wrong ||= `unknown oflag ${oflag}, expected dsync`;
  for (const [operand, device] of NEEDS) {
    if (given.has(operand) && !given.has(device)) wrong ||= `${operand} needs ${device}=DEVICE`;
  }
  if (wrong !== '') return refuse(wrong);
  const indexOf = (name: string): number => texts.findIndex((text) => text.startsWith(`${name}=`));
  const dsync = oflag !== undefined;
  return { bs, count, skip, seek, dsync, from: indexOf('if'), to: indexOf('of'), wrong };
};
