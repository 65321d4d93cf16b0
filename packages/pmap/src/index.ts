export {
  type FrameList,
  type KernelPages,
  P2mFrameList,
  p2m_frame_list_data,
} from './p2m-frame-list.ts';
export { Pmap, type PmapKern, type PmapStart } from './pmap.ts';
export { NPMAP, pmap_data } from './pmap-data.ts';
export { pmapText } from './pmap-text.ts';
export { PDIR_SLOT_PTE } from './pte.ts';
export {
  INVALID_P2M_ENTRY,
  RESERVATION_MAX,
  Reservation,
  type ReservationOps,
} from './reservation.ts';
export { UserPmaps } from './user-pmap.ts';
export { Xen2P2mFrameList } from './xen2-p2m-frame-list.ts';
