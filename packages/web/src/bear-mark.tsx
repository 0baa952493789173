/** Grizz's face. Decoration: what it stands for is written beside it. `size` in CSS pixels. */
export function BearMark({ size }: { size: number }) {
  return (
    <svg className="bear" viewBox="0 0 32 32" width={size} height={size} aria-hidden="true" focusable="false">
      <BearFace />
    </svg>
  )
}

/** The same, to be drawn into another picture: 32 units wide and high. */
export function BearFace() {
  return (
    <>
      <circle className="bear-fur" cx="8" cy="9" r="5.5" />
      <circle className="bear-fur" cx="24" cy="9" r="5.5" />
      <circle className="bear-ear" cx="8" cy="9" r="2.6" />
      <circle className="bear-ear" cx="24" cy="9" r="2.6" />
      <path className="bear-fur" d="M16 5.5c7.4 0 12.5 5 12.5 11.8S23 29 16 29 3.5 24.1 3.5 17.3 8.6 5.5 16 5.5z" />
      <ellipse className="bear-muzzle" cx="16" cy="21.3" rx="7" ry="5.6" />
      <circle className="bear-ink" cx="10.8" cy="14.8" r="1.7" />
      <circle className="bear-ink" cx="21.2" cy="14.8" r="1.7" />
      <path
        className="bear-ink"
        d="M16 21.8c-1.7 0-2.8-1.3-2.8-2.3 0-.9 1.2-1.4 2.8-1.4s2.8.5 2.8 1.4c0 1-1.1 2.3-2.8 2.3z"
      />
      <path className="bear-mouth" d="M16 21.8v1.3m0 0c-.6 1-1.7 1.4-2.7 1m2.7-1c.6 1 1.7 1.4 2.7 1" />
    </>
  )
}
