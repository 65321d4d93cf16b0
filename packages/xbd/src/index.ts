export type { XbdBus, XbdUvm } from './connection.ts';
export type { XbdKern } from './disk.ts';
export type { XbdPmap } from './requests.ts';
export { Xbd } from './xbd.ts';
export { NXBD, XBD_RING_SIZE, xbd_data, xbd_softc } from './xbd-data.ts';
export { xbdText } from './xbd-text.ts';
export { XbdXenbus } from './xbd-xenbus.ts';
