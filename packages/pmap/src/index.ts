export { type KernelPages, P2mFrameList, p2m_frame_list_data } from './p2m-frame-list.ts';
export { NPMAP, Pmap, type PmapKern, pmap_data, type UserPmap } from './pmap.ts';
export { pmapText } from './pmap-text.ts';
export { PDIR_SLOT_PTE } from './pte.ts';
