/* A daemon on the socket that the first argument names, in a process of its own: `domu xenstored` without the rest. */
import { Sim } from '@port-xen/sim';
import { Xenstored } from '@port-xen/xenstore';
import { warmUp, XenstoreServer } from '../src/index.ts';

warmUp();
await XenstoreServer.listen(new Xenstored({ sim: new Sim(1) }), process.argv[2] as string);
process.stdout.write('ready\n');
