export { xbd_blkif_data } from './blkif-data.ts';
export type { XbdBus, XbdUvm } from './connection.ts';
export type { XbdKern } from './disk.ts';
export type { XbdPmap } from './requests.ts';
export { Xbd } from './xbd.ts';
export { type XbdController, XbdCtrlIf } from './xbd-ctrl-if.ts';
export { NXBD, XBD_RING_SIZE, xbd_data, xbd_softc } from './xbd-data.ts';
export { xbdCtrlIfText, xbdText } from './xbd-text.ts';
export { XbdXenbus } from './xbd-xenbus.ts';
