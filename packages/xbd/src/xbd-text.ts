import { leaf, type Text } from '@port-xen/kern';
import { attachText } from './attach-text.ts';
import { blkifText } from './blkif-text.ts';
import { ctrlIfSuspendText } from './ctrl-if-suspend-text.ts';
import { diskText } from './disk-text.ts';
import { drainText, suspendText } from './suspend-text.ts';
import type { XbdCtrlIf } from './xbd-ctrl-if.ts';
import type { XbdXenbus } from './xbd-xenbus.ts';

/** All of the text of disks over xenbus. */
export const xbdText: Text<XbdXenbus> = {
  ...diskText,
  xbd_handler: leaf((m, softc) => m.handler(m.at(softc))),
  ...attachText,
  ...drainText,
  ...suspendText,
};

/** All of the text of disks over the controller interface. */
export const xbdCtrlIfText: Text<XbdCtrlIf> = {
  ...diskText,
  ...blkifText,
  ...drainText,
  ...ctrlIfSuspendText,
};
