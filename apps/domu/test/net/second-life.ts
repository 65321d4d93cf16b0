/*
 * second-life SERVER CLIENT DISK: a process that has two save files and a disk, and nothing else: runs the client to its end and
 * prints what it printed.
 */
import { readFileSync } from 'node:fs';
import { memoryDisk } from '@tooling/testbed';
import { makeGuest } from '../../src/guest.ts';
import { LOSSY, NetWorld } from './net-world.ts';

const [server = '', client = '', disk = ''] = process.argv.slice(2);
const world = new NetWorld({ guest: makeGuest(false), seed: 99, firstSlot: 20, quality: LOSSY });
world.arrive('server', readFileSync(server), { xvda: memoryDisk(readFileSync(disk)) });
process.stdout.write(world.untilEnded(world.arrive('client', readFileSync(client), {})));
