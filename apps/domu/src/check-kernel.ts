import { BUILD_ID_OFFSET, BUILD_ID_SIZE, KERNBASE, NOTES_ADDRESS, PAGE_SIZE } from '@port-xen/kern';
import { UserError } from './user-error.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/**
 * A guest goes on only under the kernel it was saved with: its stacks and tables hold addresses in that kernel's text. The build id
 * is looked for in the guest's own pages, so it does not matter who has written the file since.
 * @throws UserError
 */
export const checkKernel = (
  pageAt: (pfn: number) => Uint8Array | undefined,
  buildId: Uint8Array,
): void => {
  const page = pageAt((NOTES_ADDRESS - KERNBASE) / PAGE_SIZE);
  const offset = (NOTES_ADDRESS % PAGE_SIZE) + BUILD_ID_OFFSET;
  const found = page?.subarray(offset, offset + BUILD_ID_SIZE);
  if (found !== undefined && hex(found) === hex(buildId)) return;
  const what =
    page !== undefined && Buffer.from(page.subarray(0, BUILD_ID_OFFSET)).includes('GNU\0')
      ? `build ${hex(found ?? new Uint8Array())}`
      : 'another kernel';
  throw new UserError(
    `the domain was saved under ${what}, and this is build ${hex(buildId)}: it can go on only under the kernel it was saved with`,
  );
};
