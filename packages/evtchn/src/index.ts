export type { EvtchnKern } from './event-ports.ts';
export { Evtchn } from './evtchn.ts';
export { evtchn_data, NEVTSOURCE, NR_EVENT_CHANNELS } from './evtchn-data.ts';
export { evtchnText, type Upcall, upcallText } from './evtchn-text.ts';
