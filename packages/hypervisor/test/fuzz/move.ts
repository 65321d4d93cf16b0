import * as abi from '@port-xen/abi';
import type { Attacker } from './attacker.ts';

const NUMBERS: ReadonlyMap<string, unknown> = new Map(Object.entries(abi));

/** The number of a sub-operation. */
export const numberOf = (name: keyof typeof abi): number => NUMBERS.get(name) as number;

/** One thing that an attacker can do. */
export interface Move {
  /** The sub-operation. */
  readonly name: string;
  /** How often, beside the others. */
  readonly weight: number;
  /** It may be the end of the domain. */
  readonly ends?: boolean;
  /** Its negative results are GNTST_*. */
  readonly grant?: boolean;
  /** @returns what came of it: negative is an error */
  run(attacker: Attacker): number;
}
