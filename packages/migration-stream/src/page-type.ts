/*
 * The type of a page in a stream is the top nibble of its word in PAGE_DATA, Xen's XEN_DOMCTL_PFINFO_* >> 28:
 *
 *     0        ordinary (or anything that is not a page table)     data follows
 *     1 … 4    level 1 … 4 page table                              data follows
 *     5 … 8    no type
 *     9 … 12   the same tables, pinned                             data follows
 *     13       broken                                              no data
 *     14       to be allocated                                     no data
 *     15       no page                                             no data
 */
import {
  XC_PAGE_TYPE_BROKEN,
  XC_PAGE_TYPE_L1TAB_PINNED,
  XC_PAGE_TYPE_L4TAB,
  XC_PAGE_TYPE_LPIN_FLAG,
  XC_PAGE_TYPE_XALLOC,
} from '@port-xen/abi';

/** Bytes in a page. */
export const PAGE_SIZE = 4096;

/** Whether a type nibble means anything. */
export const isPageType = (type: number): boolean =>
  (type >= 0 && type <= XC_PAGE_TYPE_L4TAB) || (type >= XC_PAGE_TYPE_L1TAB_PINNED && type <= 15);

/** Whether a stream has 4096 bytes for a page of this type. */
export const carriesData = (type: number): boolean => type < XC_PAGE_TYPE_BROKEN;

/** Whether a restored domain has a frame for a page of this type. */
export const isPopulated = (type: number): boolean =>
  carriesData(type) || type === XC_PAGE_TYPE_XALLOC;

/** The level of a page table of this type, 1 … 4, pinned or not; 0 for anything else. */
export const tableLevel = (type: number): number =>
  carriesData(type) ? type & ~XC_PAGE_TYPE_LPIN_FLAG : 0;

/** Whether a page table of this type is to be pinned. */
export const isPinned = (type: number): boolean =>
  carriesData(type) && (type & XC_PAGE_TYPE_LPIN_FLAG) !== 0;
