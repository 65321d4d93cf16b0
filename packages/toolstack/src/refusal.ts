import { XenError } from '@port-xen/hypervisor';
import { FrameError, StreamError } from '@port-xen/migration-stream';
import { ToolstackError } from './toolstack-error.ts';

/** Where in an image something stands that may turn out to be wrong. */
export interface ImagePlace {
  /** Bytes from the start of the file. */
  readonly offset: number;
  /** The record's name; undefined in a header. */
  readonly record: string | undefined;
}

/**
 * Does what the image asks for at a place. What cannot be done there refuses the image.
 *
 * @param words what genuine restore code says then; a wrong frame number has its own words
 * @param expected what should have become of it
 * @throws StreamError with the place
 */
export const orRefuse = <T>(
  words: string,
  place: ImagePlace,
  work: () => T,
  expected = 'Xen to take it',
): T => {
  try {
    return work();
  } catch (error) {
    if (error instanceof FrameError) {
      throw new StreamError({
        words: error.words,
        expected: error.expected,
        found: error.found,
        ...place,
      });
    }
    if (error instanceof XenError || error instanceof ToolstackError) {
      throw new StreamError({
        words,
        expected,
        found: `a refusal: ${error.message}`,
        ...place,
      });
    }
    throw error;
  }
};
