import { ImageReader, ImageWriter, MemoryImage } from '@port-xen/migration-stream';
import { sourceOf } from './host.ts';

/** A batch of an image's, and its pages. */
export interface Batch {
  readonly pfns: Int32Array;
  readonly types: Uint8Array;
  readonly data: Uint8Array;
}

/** An image, front to back, without what may be missing. @param write puts something in a batch's place */
export const rewritten = (
  image: Uint8Array,
  write: (batch: Batch, writer: ImageWriter) => void,
): Uint8Array => {
  const sink = new MemoryImage();
  const writer = new ImageWriter(sink);
  new ImageReader(sourceOf(image)).read({
    config: (text) => writer.xlHeader(text),
    libxlHeader: () => writer.libxlHeader(),
    imageHeader: () => {
      writer.libxcContext();
      writer.imageHeader();
    },
    domainHeader: ({ xen_major, xen_minor }) => writer.domainHeader(xen_major, xen_minor),
    pvInfo: () => writer.x86PvInfo(),
    staticDataEnd: () => writer.staticDataEnd(),
    p2mFrames: ({ endPfn, pfns }) => writer.p2mFrames(endPfn, pfns),
    pageData: ({ pfns, types, dataCount }, readPage) => {
      const data = new Uint8Array(dataCount * 4096);
      readPage(data);
      write({ pfns, types, data }, writer);
    },
    tscInfo: (info) => writer.tscInfo(info),
    sharedInfo: (page) => writer.sharedInfo(page),
    vcpuBasic: (vcpu, context) => writer.vcpuBasic(vcpu, context),
    end: () => {
      writer.end();
      writer.libxlEnd();
    },
  });
  return sink.bytes;
};
