/*
 * The page tables in a save file: what Xen's own restore code pins is what a machine can be given, so every entry of a table
 * names a table of the level below, and none its own kind.
 */
import { BytesMemory, ldI64 } from '@port-xen/layout';
import {
  carriesData,
  ImageReader,
  MemoryImage,
  sourceOfFile,
  tableLevel,
} from '@port-xen/migration-stream';
import { memoryDisk } from '@tooling/testbed';
import { expect, test } from 'vitest';
import { boot, emptyHost, type Life, randomBytes, runToRequest, vanish } from './cycle.ts';

const PAGE = 4096;
const PRESENT = 1;

interface Entry {
  readonly pfn: number;
  readonly slot: number;
  readonly level: number;
  readonly target: number;
}

/** Every present entry of every table above L1, and the level of every page. */
const tablesOf = (image: Uint8Array): { entries: Entry[]; levels: Map<number, number> } => {
  const entries: Entry[] = [];
  const levels = new Map<number, number>();
  const page = new Uint8Array(PAGE);
  new ImageReader(sourceOfFile(new MemoryImage(image))).read({
    pageData: ({ pfns, types }, readPage) => {
      for (const [i, pfn] of pfns.entries()) {
        const type = types[i] as number;
        if (!carriesData(type)) continue;
        readPage(page);
        const level = tableLevel(type);
        levels.set(pfn, level);
        if (level < 2) continue;
        const memory = new BytesMemory(page);
        for (let slot = 0; slot < 512; slot++) {
          const word = ldI64(memory, 8 * slot);
          if ((memory.ld32(8 * slot) & PRESENT) === 0) continue;
          entries.push({ pfn, slot, level, target: Math.floor((word % 2 ** 52) / PAGE) });
        }
      }
    },
  });
  return { entries, levels };
};

test.each([0, 7, 20])('no table of a save at request %d holds an entry of its own level', (n) => {
  const life: Life = {
    program: 'sha256 /dev/xbd0',
    memoryMib: 16,
    disks: { xvda: memoryDisk(randomBytes(2 ** 20, 9)) },
  };
  const host = emptyHost(life, 2);
  const domid = boot(host, life);
  runToRequest(host, n);
  const { entries, levels } = tablesOf(vanish(host, domid));
  expect(entries.length).toBeGreaterThan(5);
  const wrong = entries.filter(({ level, target }) => levels.get(target) !== level - 1);
  expect(wrong).toEqual([]);
});
