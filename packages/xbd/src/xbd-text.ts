import { leaf, type Text } from '@port-xen/kern';
import { attachText } from './attach-text.ts';
import { diskText } from './disk-text.ts';
import { suspendText } from './suspend-text.ts';
import type { XbdXenbus } from './xbd-xenbus.ts';

/** All of the text of disks over xenbus. */
export const xbdText: Text<XbdXenbus> = {
  ...diskText,
  xbd_handler: leaf((m, softc) => m.handler(m.at(softc))),
  ...attachText,
  ...suspendText,
};
