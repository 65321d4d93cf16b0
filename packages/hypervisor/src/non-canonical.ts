import { PageFault } from '@port-xen/vcpu';

/**
 * An access to an address that is not canonical, which the processor refuses with #GP(0) (or #SS(0)), not with #PF.
 *
 * It is a PageFault whose `cr2` is not canonical, so that an engine needs to know of one kind of fault only: whoever delivers
 * exception 14 with such a cr2 delivers 13 with error code 0 instead.
 */
export class NonCanonical extends PageFault {
  constructor(address: number) {
    super(address, 0);
    this.name = 'NonCanonical';
    this.message = `expected a canonical address, found ${address < 0 ? '-' : ''}0x${Math.abs(address).toString(16)}`;
  }
}
