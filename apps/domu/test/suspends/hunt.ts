/*
 * The hunt: lives of guests, one after the other, each suspended as often as it is drawn, until there were enough pairs of a
 * point and an outcome. What it goes through is a function of its seed.
 */
import { Random } from '@port-xen/sim';
import type { Interface } from '@port-xen/toolstack';
import type { HuntedKernel } from './hunted-kernel.ts';
import { Life, OUTCOMES, type Outcome, type Pair } from './life.ts';

/** How often an outcome is drawn, against the others. */
const WEIGHTS: Readonly<Record<Outcome, number>> = {
  ok: 3,
  fast: 5,
  slow: 4,
  'save fails': 4,
  refuse: 3,
  'never acknowledges': 3,
  dawdles: 1,
};

/** Those that a guest of an interface can have: over the controller interface a request is answered before anybody looks at it. */
export const outcomesOf = (xen: Interface): readonly Outcome[] =>
  xen === 'xen-2.0' ? OUTCOMES.filter((outcome) => outcome !== 'never acknowledges') : OUTCOMES;

const draw = (random: Random, outcomes: readonly Outcome[]): Outcome => {
  let left = random.below(outcomes.reduce((sum, outcome) => sum + WEIGHTS[outcome], 0));
  for (const outcome of outcomes) {
    if (left < WEIGHTS[outcome]) return outcome;
    left -= WEIGHTS[outcome];
  }
  return 'ok';
};

/** Goes on until there are so many pairs or something is wrong. */
export class Hunt {
  readonly pairs: Pair[] = [];
  /** What is wrong, with what it takes to see it again. */
  fault: string | undefined;
  lives = 0;
  readonly #kernel: HuntedKernel;
  readonly #random: Random;

  constructor(kernel: HuntedKernel, seed: number) {
    this.#kernel = kernel;
    this.#random = new Random(seed, 'hunt');
  }

  /** One more life. */
  live(): void {
    const seed = this.#random.next() >>> 0;
    const outcomes = new Random(seed, 'outcomes');
    const life = new Life(this.#kernel, seed);
    const possible = outcomesOf(this.#kernel.interface);
    this.lives++;
    try {
      while (!life.over && life.faults.length === 0) life.suspend(draw(outcomes, possible));
      if (life.faults.length === 0) life.finish();
    } catch (error) {
      life.faults.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
    this.pairs.push(...life.pairs);
    const [fault] = life.faults;
    if (fault === undefined) return;
    const last = life.pairs.slice(-3).map(({ outcome, event }) => `event:${event} ${outcome}`);
    this.fault = `life ${seed}, after ${last.join(', ')}: ${fault}`;
  }

  run(pairs: number): void {
    while (this.pairs.length < pairs && this.fault === undefined) this.live();
  }
}

const countBy = (keys: readonly string[]): Map<string, number> => {
  const counts = new Map<string, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
};

/** What was covered, for people. */
export const report = ({ pairs, lives }: Hunt): string => {
  const points = new Set(pairs.map(({ event }) => event)).size;
  const lines = [
    `${pairs.length} pairs of a point and an outcome in ${lives} lives, at ${points} different events of the world`,
  ];
  for (const outcome of OUTCOMES) {
    const some = pairs.filter((pair) => pair.outcome === outcome);
    const hasty = some.filter(({ settled }) => !settled).length;
    const places = countBy(some.map(({ where }) => where).filter((where) => where !== ''));
    const where =
      outcome === 'save fails'
        ? `; ${places.size} different writes`
        : [...places].map(([name, count]) => `, ${name} ${count}`).join('');
    lines.push(
      `  ${outcome.padEnd(18)} ${some.length}, ${hasty} of them while devices were connecting${where}`,
    );
  }
  return `${lines.join('\n')}\n`;
};
