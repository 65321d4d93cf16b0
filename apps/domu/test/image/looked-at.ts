import { MemoryImage } from '@port-xen/migration-stream';
import { memoryDisk } from '@tooling/testbed';
import type { DiffSide } from '../../src/image/image-diff.ts';
import { ImageIndex } from '../../src/image/image-index.ts';
import { imageReport } from '../../src/image/image-report.ts';
import { findKernel, type SavedKernel } from '../../src/image/saved-kernel.ts';
import { boot, emptyHost, type Life, randomBytes, runToRequest, vanish } from '../cycle.ts';

/** An image in memory, and what is said of it. */
export const look = (bytes: Uint8Array): DiffSide & { kernel: SavedKernel } => {
  const index = new ImageIndex(new MemoryImage(bytes));
  const kernel = findKernel(index);
  return { index, kernel, report: imageReport('image', index, kernel) };
};

/** The image of a guest of ours that was saved after so many block requests. */
export const savedAt = (requests: number): Uint8Array => {
  const disk = memoryDisk(1 << 20);
  disk.bytes.set(randomBytes(1 << 20, 3));
  const life: Life = { program: 'sha256 /dev/xbd0', memoryMib: 16, disks: { xvda: disk } };
  const host = emptyHost(life, 5);
  const domid = boot(host, life);
  runToRequest(host, requests);
  return vanish(host, domid);
};
