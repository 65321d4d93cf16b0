export { Evtchn, type EvtchnKern, evtchn_data, NEVTSOURCE, NR_EVENT_CHANNELS } from './evtchn.ts';
export { evtchnText, type Upcall, upcallText } from './evtchn-text.ts';
