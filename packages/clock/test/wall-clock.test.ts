import { shared_info } from '@port-xen/abi';
import type { Cpu } from '@port-xen/kern';
import { BytesMemory } from '@port-xen/layout';
import { expect, test } from 'vitest';
import { type ClockKern, Timecounter } from '../src/timecounter.ts';

const DATA = 4096;
const OLD = [1_767_225_599, 999_999_999] as const;
const NEW = [0x1_0000_0005, 3] as const;

/** Reads the host's wall clock while Xen writes another: one step of the writer before each load from `offset` on. */
const readWithWriter = (offset: number): number[] => {
  const memory = new BytesMemory(new Uint8Array(8192));
  const si = shared_info.at(memory, 0);
  const write = ([sec, nsec]: readonly [number, number]): void => {
    si.wc_sec = sec % 2 ** 32;
    si.wc_sec_hi = Math.floor(sec / 2 ** 32);
    si.wc_nsec = nsec;
  };
  write(OLD);
  si.wc_version = 2;
  const writer = [
    () => {
      si.wc_version = 3;
    },
    () => {
      si.wc_sec = NEW[0] % 2 ** 32;
    },
    () => write(NEW),
    () => {
      si.wc_version = 4;
    },
  ];
  let loads = 0;
  const watched = {
    ld32: (address: number): number => {
      if (loads++ >= offset) writer.shift()?.();
      return memory.ld32(address);
    },
    st32: (address: number, value: number): void => memory.st32(address, value),
  };
  const cpu = {
    id: 0,
    memory: watched,
    load: () => new Int32Array(16),
    tscSince: () => 0,
  } as unknown as Cpu;
  const clock = new Timecounter(cpu, DATA, { spl: { sharedInfo: 0 } } as unknown as ClockKern);
  const wall = { tv_sec: 0, tv_nsec: 0 };
  clock.rtcGet(wall);
  return [wall.tv_sec, wall.tv_nsec];
};

test('CLK-1: a wall clock that is being written is the old one or the new one, and may be beyond 2106', () => {
  const seen = Array.from({ length: 16 }, (_, offset) => readWithWriter(offset));
  for (const time of seen) expect([OLD, NEW]).toContainEqual(time);
  expect(seen).toContainEqual(OLD);
  expect(seen).toContainEqual(NEW);
});
