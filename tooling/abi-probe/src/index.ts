export type { Exports } from './c-program.ts';
export { DOCUMENTED_CONSTANTS, DOCUMENTED_STRUCTS } from './documented.ts';
export { exportsOf } from './exports-of.ts';
export { probe } from './probe.ts';
