/*
 * What has to be known of a save file before a machine can be made for it: how much memory, and which slot of machine frames its
 * domain had, so that another is taken.
 */
import { ImageReader, type XlHeader } from '@port-xen/migration-stream';
import { Random } from '@port-xen/sim';
import { configOf, type DomainConfig, slotHint } from '@port-xen/toolstack';
import { FileSource } from './file-stream.ts';
import { slotPlan } from './host-options.ts';

export interface SaveFile {
  readonly header: XlHeader | undefined;
  readonly format: 'json' | 'cfg' | undefined;
  /** The configuration within the file. */
  readonly config: DomainConfig | undefined;
  /** The last pfn. */
  readonly endPfn: number;
  /** The slot that the P2M's stale frames are of. */
  readonly slot: number | undefined;
}

/** Thrown to leave the file once enough is known. */
class Enough extends Error {}

const PFNS_PER_MIB = 256;

/** @throws UserError when it cannot be opened, StreamError when it is no save file */
export const readSaveFile = (path: string): SaveFile => {
  let header: XlHeader | undefined;
  let format: 'json' | 'cfg' | undefined;
  let config: DomainConfig | undefined;
  let endPfn = 0;
  const source = new FileSource(path);
  try {
    new ImageReader(source).read({
      xlHeader: (found) => {
        header = found;
      },
      config: (text, kind) => {
        format = kind;
        config = configOf(text, kind, new Random(0, 'save file'));
      },
      p2mFrames: (frames) => {
        endPfn = frames.endPfn;
        throw new Enough();
      },
    });
  } catch (error) {
    if (!(error instanceof Enough)) throw error;
  } finally {
    source.close();
  }
  const again = new FileSource(path);
  try {
    const slot = slotHint(again, slotPlan(config?.interface).slotFrames);
    return { header, format, config, endPfn, slot };
  } finally {
    again.close();
  }
};

/** Guest memory that the file's domain needs, MiB. */
export const memoryOf = (file: SaveFile): number =>
  Math.max(
    Math.ceil((file.endPfn + 1) / PFNS_PER_MIB),
    Math.ceil((file.config?.maxMem_kib ?? 0) / 1024),
  );
