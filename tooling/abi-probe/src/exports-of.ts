import type { Struct } from '@port-xen/layout';
import type { Exports } from './c-program.ts';
import { DOCUMENTED_CONSTANTS, DOCUMENTED_STRUCTS } from './documented.ts';

const isStruct = (value: unknown): value is Struct =>
  typeof value === 'object' && value !== null && 'offset' in value && 'fields' in value;

/**
 * Sorts everything a module exports.
 * @returns what C headers declare and what only documents do
 * @throws Error for an export that is neither a struct nor a number: nobody would compare it
 */
export const exportsOf = (
  module: Readonly<Record<string, unknown>>,
): { headers: Exports; documents: Exports } => {
  const headers = {
    structs: {} as Record<string, Struct>,
    constants: {} as Record<string, number>,
  };
  const documents = {
    structs: {} as Record<string, Struct>,
    constants: {} as Record<string, number>,
  };
  for (const [name, value] of Object.entries(module)) {
    if (isStruct(value)) (name in DOCUMENTED_STRUCTS ? documents : headers).structs[name] = value;
    else if (typeof value === 'number') {
      (name in DOCUMENTED_CONSTANTS ? documents : headers).constants[name] = value;
    } else throw new Error(`${name}: expected a struct or a number, found ${typeof value}`);
  }
  return { headers, documents };
};
