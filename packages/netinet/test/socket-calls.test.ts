import { expect, test } from 'vitest';
import { Live } from './live.ts';
import { pattern } from './pair.ts';
import { U_IN, U_OUT } from './programs.ts';

const TOTAL = 60_000;

const runPrograms = (live: Live, hook: () => void = () => {}): void => {
  const bytes = pattern(TOTAL);
  live.hosts[0].machine.memory.write(U_OUT, bytes);
  live.boot(TOTAL);
  const finished = live.run(300, () => {
    hook();
    return live.dataOf(0).closed !== 0;
  });
  const d = live.dataOf(0);
  expect([finished, d.connected, d.sent, d.got]).toEqual([true, 0, TOTAL, TOTAL]);
  // The end of the stream reads as 0, and so does close.
  expect([d.ended, d.closed]).toEqual([1, 1]);
  const got = new Uint8Array(TOTAL);
  live.hosts[0].machine.memory.read(U_IN, got);
  expect(got).toEqual(bytes);
};

test('SOCK-1: programs talk to each other by system calls', () => {
  runPrograms(new Live({}, false));
});

test('SOCK-2: in amnesia mode, over a bad wire, both kernels frozen and moved again and again', () => {
  const live = new Live({ loss: 20, jitter_ns: 300_000, duplication: 10 }, true, 3);
  let events = 0;
  runPrograms(live, () => {
    events++;
    if (events % 150 === 0) live.move(((events / 150) % 2) as 0 | 1);
  });
  expect(events).toBeGreaterThan(300);
});

test('SOCK-3: when all is closed nothing is held', () => {
  const live = new Live({}, false);
  runPrograms(live);
  live.run(70, () => false);
  expect(live.hosts[0].counts()).toEqual({ mbufs: 0, sockets: 0, tcbs: 0 });
  expect(live.hosts[1].counts()).toEqual({ mbufs: 0, sockets: 1, tcbs: 1 });
});
