import type { ImageSummary, ImageVisitor, PageData, Source } from '../src/index.ts';
import { ImageReader, ImageWriter, MemoryImage } from '../src/index.ts';

/** Reads an image and writes what the visitor is told: the image again, if it is one that Xen would write. */
export const rewrite = (source: Source): { bytes: Uint8Array; summary: ImageSummary } => {
  const sink = new MemoryImage();
  const writer = new ImageWriter(sink);
  const pageData = ({ pfns, types, dataCount }: PageData, readPage: (into: Uint8Array) => void) => {
    const pages = new Uint8Array(dataCount * 4096);
    const first = pages.subarray(0, Math.min(dataCount, 1) * 4096);
    const rest = pages.subarray(first.length);
    if (first.length > 0) readPage(first);
    if (rest.length > 0) readPage(rest);
    writer.pageData(pfns, types, [first, rest]);
  };
  const visitor: ImageVisitor = {
    config: (text) => writer.xlHeader(text),
    libxlHeader: () => writer.libxlHeader(),
    imageHeader: () => {
      if (libxl) writer.libxcContext();
      writer.imageHeader();
    },
    domainHeader: ({ xen_major, xen_minor }) => writer.domainHeader(xen_major, xen_minor),
    pvInfo: () => writer.x86PvInfo(),
    cpuidPolicy: (leaves) => writer.cpuidPolicy(leaves),
    msrPolicy: (entries) => writer.msrPolicy(entries),
    staticDataEnd: () => writer.staticDataEnd(),
    p2mFrames: ({ endPfn, pfns }) => writer.p2mFrames(endPfn, pfns),
    pageData,
    verify: () => writer.verify(),
    tscInfo: (info) => writer.tscInfo(info),
    sharedInfo: (page) => writer.sharedInfo(page),
    vcpuBasic: (vcpu, context) => writer.vcpuBasic(vcpu, context),
    vcpuExtended: (vcpu, context) => writer.vcpuExtended(vcpu, context),
    vcpuXsave: (vcpu, area) => writer.vcpuXsave(vcpu, area),
    vcpuMsrs: (vcpu, entries) => writer.vcpuMsrs(vcpu, entries),
    end: () => writer.end(),
  };
  let libxl = false;
  visitor.record = ({ layer }) => {
    libxl ||= layer === 'libxl';
  };
  const summary = new ImageReader(source).read(visitor);
  if (libxl) writer.libxlEnd();
  return { bytes: sink.bytes, summary };
};
