/* The process that a live-update test's server hands everything to. */
import { Sim } from '@port-xen/sim';
import { XenstoreServer } from '../src/index.ts';

await XenstoreServer.takeOver({ sim: new Sim(1) });
