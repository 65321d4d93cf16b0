export { Xbd, type XbdBus, type XbdKern, type XbdPmap, type XbdUvm } from './xbd.ts';
export { NXBD, XBD_RING_SIZE, xbd_data, xbd_softc } from './xbd-data.ts';
export { xbdText } from './xbd-text.ts';
