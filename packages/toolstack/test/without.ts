import { ImageReader, ImageWriter, MemoryImage } from '@port-xen/migration-stream';
import { sourceOf } from './host.ts';

/** The image, front to back, without the page of one pfn and without what may be missing. */
export const without = (image: Uint8Array, missing: number): Uint8Array => {
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
      const at = pfns.indexOf(missing);
      if (at < 0) return writer.pageData(pfns, types, [data]);
      const some = types.slice();
      some[at] = 15;
      writer.pageData(pfns, some, [data.subarray(0, at * 4096), data.subarray((at + 1) * 4096)]);
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
