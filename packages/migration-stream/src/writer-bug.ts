/**
 * A writer was asked for something that Xen's tools would not write: a record out of order, of a wrong size,
 * about a page that the domain does not have. It is a fault of the program that saves, never of a guest or of
 * a user, and the image is worth nothing.
 */
export class WriterBug extends Error {
  override readonly name = 'WriterBug';

  constructor(expected: string, found: string, offset: number) {
    super(`expected ${expected}, found ${found} (offset ${offset} of the image)`);
  }
}
