import { rewritten } from './rewritten.ts';

/** The image without the page of one pfn. */
export const without = (image: Uint8Array, missing: number): Uint8Array =>
  rewritten(image, ({ pfns, types, data }, writer) => {
    const at = pfns.indexOf(missing);
    if (at < 0) return writer.pageData(pfns, types, [data]);
    const some = types.slice();
    some[at] = 15;
    writer.pageData(pfns, some, [data.subarray(0, at * 4096), data.subarray((at + 1) * 4096)]);
  });
