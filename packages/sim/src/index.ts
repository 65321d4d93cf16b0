export { EventQueue } from './event-queue.ts';
export { Faults } from './faults.ts';
export { Random } from './random.ts';
export { Sim } from './sim.ts';
export { type StoryListener, Trace, type TraceKind, type TraceListener } from './trace.ts';
