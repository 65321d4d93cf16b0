/*
 * RST-4: of an image that may be damaged, restore and verify say the same: that it is taken, or one sentence; in time, and nothing
 * of it is left on the host.
 */
import { MemoryImage, StreamError } from '@port-xen/migration-stream';
import fc from 'fast-check';
import { expect } from 'vitest';
import { verifyImage } from '../src/verify-image.ts';
import { type Damaged, withWord } from './damage.ts';
import { sourceOf, type TestHost } from './host.ts';

export const SECONDS_2 = 2000;

/** Processor time of this thread: others may be at work on the machine. */
export const worked_ms = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};

const isOneSentence = (refusal: Error): boolean =>
  refusal instanceof StreamError &&
  /xpected .+, found .+ \(offset \d+(, record .+)?\)$/.test(refusal.message) &&
  !refusal.message.includes('\n');

/** MFNs and domids in Xen's own complaints are the host's. */
const plain = (error: Error | undefined): string | undefined =>
  error?.message.replaceAll(/(mfn|domain) \d+/g, '$1');

/** verify takes bare streams too, and goes on to read what restore refuses by its first bytes. */
const isNoXlFile = (error: Error | undefined): boolean =>
  error?.message.includes('wrong magic number') ?? false;

/** Judges images on a host that is as it is to be found again. */
export const judgeOn = (host: TestHost) => {
  const state = () => ({
    counts: host.hv.counts(),
    accounting: host.hv.accounting(),
    store: host.xenstored.counters(),
    domains: host.store.directory('/local/domain'),
  });
  const nothing = state();

  /** Restores an image and takes the domain away again. @returns the refusal, undefined when it was taken */
  const restore = (bytes: Uint8Array): Error | undefined => {
    try {
      const { domid } = host.xl.restore(sourceOf(bytes));
      expect(host.hv.accounting()).toEqual([]);
      host.xl.destroy(domid);
      return undefined;
    } catch (error) {
      return error as Error;
    }
  };

  /** @returns why it was refused, undefined when it was taken */
  const judge = ({ name, bytes }: Damaged): Error | undefined => {
    const start = worked_ms();
    const ours = restore(bytes);
    const { refusal } = verifyImage(new MemoryImage(bytes));
    if (worked_ms() - start > 2 * SECONDS_2) expect.fail(`${name}: took too long`);
    if (plain(ours) !== plain(refusal) && !isNoXlFile(ours)) {
      expect.fail(`${name}: restore: ${ours?.message}, verify: ${refusal?.message}`);
    }
    if (ours !== undefined && !isOneSentence(ours)) expect.fail(`${name}: ${ours.message}`);
    expect(state(), name).toEqual(nothing);
    return ours;
  };

  /** How many of them were taken. */
  const taken = (images: Iterable<Damaged>): number => {
    let count = 0;
    for (const damaged of images) if (judge(damaged) === undefined) count++;
    return count;
  };

  /** Judges `runs` images in which one to four words are replaced by any others. */
  const withAnyWords = (image: Uint8Array, runs: number): void => {
    const word = fc.tuple(
      fc.nat(Math.floor(image.length / 8) - 1),
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    );
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 4 }), (words) => {
        let bytes = image;
        for (const [at, value] of words) bytes = withWord(bytes, at * 8, value);
        judge({ name: 'words', bytes });
      }),
      { numRuns: runs },
    );
  };

  return { judge, taken, withAnyWords };
};
