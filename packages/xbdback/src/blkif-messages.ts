/*
 * What the domain controller's CMSG_BLKIF_BE messages (io/domain_controller.h of Xen 2.0) mean to a block interface. The controller may be
 * trusted; what it passes on of a guest's, a frame's number, may not.
 */
import {
  blkif_be_connect,
  blkif_be_create,
  blkif_be_disconnect,
  blkif_be_vbd_create,
  blkif_be_vbd_destroy,
  blkif_be_vbd_grow,
  blkif_be_vbd_shrink,
  CMSG_BLKIF_BE_CONNECT,
  CMSG_BLKIF_BE_DISCONNECT,
  CMSG_BLKIF_BE_VBD_CREATE,
  CMSG_BLKIF_BE_VBD_DESTROY,
  CMSG_BLKIF_BE_VBD_GROW,
  CMSG_BLKIF_BE_VBD_SHRINK,
} from '@port-xen/abi';
import { BackMessages, deed } from '@port-xen/xenbus-backend';
import { BlkifInterface, type BlkifParts } from './blkif-interface.ts';
import type { LoopDevices } from './loop-devices.ts';

/** What the receiver is made of; `streamOf` of a domain and a disk. */
export interface BlkifMessagesParts extends Omit<BlkifParts, 'domid' | 'streamOf'> {
  readonly devices: LoopDevices;
  readonly streamOf: (domid: number, vdevice: number) => string;
}

/** The receiver of CMSG_BLKIF_BE. */
export const blkifMessages = (parts: BlkifMessagesParts): BackMessages<BlkifInterface> => {
  const { sim, dom0, devices, onAnswered } = parts;
  const create = deed(blkif_be_create, ({ domid }) => {
    const streamOf = (vdevice: number): string => parts.streamOf(domid, vdevice);
    return new BlkifInterface({ sim, dom0, domid, streamOf, onAnswered });
  });
  return new BackMessages(create, {
    [CMSG_BLKIF_BE_CONNECT]: deed(blkif_be_connect, ({ shmem_frame, evtchn }, blkif) =>
      blkif.connect(shmem_frame, evtchn),
    ),
    [CMSG_BLKIF_BE_DISCONNECT]: deed(blkif_be_disconnect, (_, blkif) => blkif.disconnect()),
    [CMSG_BLKIF_BE_VBD_CREATE]: deed(blkif_be_vbd_create, ({ vdevice, readonly }, blkif) =>
      blkif.createVbd(vdevice, readonly !== 0),
    ),
    [CMSG_BLKIF_BE_VBD_DESTROY]: deed(blkif_be_vbd_destroy, ({ vdevice }, blkif) =>
      blkif.destroyVbd(vdevice),
    ),
    [CMSG_BLKIF_BE_VBD_GROW]: deed(blkif_be_vbd_grow, ({ vdevice, extent }, blkif) => {
      const { sector_start, sector_length, device } = extent;
      return blkif.growVbd(vdevice, devices.get(device), sector_start, sector_length);
    }),
    [CMSG_BLKIF_BE_VBD_SHRINK]: deed(blkif_be_vbd_shrink, ({ vdevice }, blkif) =>
      blkif.shrinkVbd(vdevice),
    ),
  });
};
