export type { Source } from './cursor.ts';
export { FrameError } from './frame-error.ts';
export { type ImageFile, readFileAt, sourceOfFile } from './image-file.ts';
export { ImageReader, type ImageReaderOptions } from './image-reader.ts';
export type {
  BodyReader,
  DomainHeader,
  ImageHeader,
  ImageKind,
  ImageSummary,
  ImageVisitor,
  LibxlHeader,
  P2mFrames,
  PageData,
  PageSkipper,
  PvInfo,
  RecordPlace,
  TscInfo,
  UnknownRecord,
  XlHeader,
} from './image-visitor.ts';
export { ImageWriter } from './image-writer.ts';
export { MemoryImage } from './memory-image.ts';
export { BATCH_MAX } from './page-data-output.ts';
export { canonicalise, type EntryFault, localise, type TablePage } from './page-table.ts';
export { carriesData, isPageType, isPinned, isPopulated, tableLevel } from './page-type.ts';
export { libxcRecordName, libxlRecordName } from './record-name.ts';
export type { Sink } from './record-output.ts';
export type { ReaderOptions } from './restore-state.ts';
export type { RestoredFrames } from './restored-frames.ts';
export { mergeSharedInfo } from './shared-info.ts';
export { patchStartInfo, type StartOfLife } from './start-info.ts';
export { StreamError, type StreamFault } from './stream-error.ts';
export {
  canonicaliseVcpu,
  canonicaliseVcpu0,
  localiseVcpu,
  localiseVcpu0,
  type MfnToPfn,
} from './vcpu-context.ts';
export { WriterBug } from './writer-bug.ts';
export {
  isXen2SharedInfo,
  mergeXen2SharedInfo,
  patchXen2StartInfo,
  type Xen2StartOfLife,
} from './xen2-pages.ts';
