/*
 * Reads a save file front to back, once, and tells a visitor what is in it.
 *
 *     xl file      48-byte header, configuration, then a libxl stream
 *     libxl stream 16-byte header, LIBXC_CONTEXT, a libxc stream, END
 *     libxc stream 24-byte and 16-byte headers, records, END
 *
 * Their first eight bytes tell them apart. The file is hostile: every length, count, type, frame number and
 * order is checked before it is used, and what is wrong is a StreamError.
 */
import { Cursor, type Source } from './cursor.ts';
import type { ImageKind, ImageSummary, ImageVisitor } from './image-visitor.ts';
import { isMarker, readDomainHeader, readImageHeader } from './libxc-header.ts';
import { readLibxcRecords } from './libxc-stream.ts';
import { LIBXL_MAGIC, readLibxlHeader, readLibxlRecords } from './libxl-stream.ts';
import { type ReaderOptions, RestoreState } from './restore-state.ts';
import { readXlHeader, XL_MAGIC } from './xl-header.ts';

/** How a reader is to read. */
export interface ImageReaderOptions extends ReaderOptions {
  /** What the file may start with: anything, unless given. `xl restore` takes only `xl`. */
  readonly accept?: readonly ImageKind[];
}

const MAGIC_SIZE = 8;

export class ImageReader {
  readonly #cursor: Cursor;
  readonly #options: ImageReaderOptions;

  constructor(source: Source, options: ImageReaderOptions = {}) {
    this.#cursor = new Cursor(source);
    this.#options = options;
  }

  /**
   * Reads the whole image. No byte after it is asked for.
   *
   * @throws StreamError when it is not one; what the visitor throws passes through
   */
  read(visitor: ImageVisitor): ImageSummary {
    const cursor = this.#cursor;
    if (cursor.offset > 0) throw new Error('expected one read of an image, found a second');
    const state = new RestoreState(cursor, visitor, this.#options);
    const kind = this.#readKind();
    if (kind === 'libxc') readLibxc(state, false);
    else {
      if (kind === 'xl') {
        readXlHeader(cursor, visitor);
        const start = cursor.offset;
        const found = latin1(cursor.take(MAGIC_SIZE, "libxl's header"));
        if (found !== LIBXL_MAGIC) {
          throw cursor.error('Invalid ident', quote(LIBXL_MAGIC), quote(found), start);
        }
      }
      readLibxlHeader(cursor, visitor);
      readLibxlRecords(cursor, visitor, () => readLibxc(state, true));
    }
    return { kind, ...summary(state) };
  }

  #readKind(): ImageKind {
    const cursor = this.#cursor;
    const { accept = ['xl', 'libxl', 'libxc'] } = this.#options;
    const bytes = cursor.take(MAGIC_SIZE, "a save file's magic number");
    let found = latin1(bytes);
    if (found === LIBXL_MAGIC && accept.includes('libxl')) return 'libxl';
    if (isMarker(bytes) && accept.includes('libxc')) return 'libxc';
    if (XL_MAGIC.startsWith(found)) {
      found += latin1(cursor.take(XL_MAGIC.length - MAGIC_SIZE, "a save file's magic number"));
      if (found === XL_MAGIC && accept.includes('xl')) return 'xl';
    }
    throw cursor.error(
      'File has wrong magic number - corrupt or for a different tool?',
      accept.map((kind) => EXPECTED[kind]).join(' or '),
      quote(found),
      0,
    );
  }
}

const readLibxc = (state: RestoreState, withMarker: boolean): void => {
  const { cursor, visitor } = state;
  if (withMarker) {
    const start = cursor.offset;
    const bytes = cursor.take(MAGIC_SIZE, "libxc's image header");
    if (!isMarker(bytes)) {
      throw cursor.error('Invalid marker', 'eight bytes of 0xff', quote(latin1(bytes)), start);
    }
  }
  const imageHeader = readImageHeader(cursor);
  state.version = imageHeader.version;
  visitor.imageHeader?.(imageHeader);
  const domainHeader = readDomainHeader(cursor);
  state.xen_major = domainHeader.xen_major;
  state.xen_minor = domainHeader.xen_minor;
  visitor.domainHeader?.(domainHeader);
  readLibxcRecords(state);
};

const summary = (state: RestoreState): Omit<ImageSummary, 'kind'> => ({
  size: state.cursor.offset,
  version: state.version,
  xen_major: state.xen_major,
  xen_minor: state.xen_minor,
  guest_width: state.pvInfo?.guest_width ?? 0,
  maxPfn: state.maxPfn,
  missing: state.missing,
  records: state.records,
  pages: state.pages,
  vcpus: [...state.vcpus].sort((a, b) => a - b),
});

const EXPECTED: Readonly<{ [K in ImageKind]: string }> = {
  xl: JSON.stringify(XL_MAGIC),
  libxl: JSON.stringify(LIBXL_MAGIC),
  libxc: 'eight bytes of 0xff',
};

const latin1 = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

/** Bytes as one can read them in an error. */
const quote = (text: string): string =>
  JSON.stringify(text).replace(
    /[^ -~]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
