"""How local is the LDOS? Its error against the radius of the surroundings that the model sees."""

import ldosml
from ldosml import plotting, studies

data = ldosml.load_dataset("silicon", smearing_width=0.3)
kept = sorted(set(data.groups))[::10]  # every tenth trajectory keeps this quick; use all for numbers to quote
data = data.select([group in kept for group in data.groups])
model = ldosml.DOSModel(ldosml.Whitened(ldosml.SOAP(n_max=6, l_max=4)), high=5.0)
# With log="sweep.jsonl" in the setup, a sweep that was killed continues where it stopped.
sweep = studies.sweep_cutoffs(data, [2.0, 3.0, 4.0, 6.0], model, setup=studies.Setup(n_splits=3, low=-14.0))
for mode in sweep.modes:
    for r_cut, loss in zip(sweep.radii, sweep.losses(mode, "Si"), strict=True):
        print(f"{mode:>8} {r_cut:4.1f} angstrom, {sweep.neighbors[r_cut]:5.1f} neighbors: L/sigma {loss:.3f}")
    (found,) = sweep.saturation(mode)
    bound = " or less" if found["r_sat"] == sweep.radii[0] else ""
    print(f"{mode:>8} saturates at {found['r_sat']:.1f} angstrom{bound} ({found['low']:.1f} to {found['high']:.1f})")
plotting.sweep_figure(sweep).savefig("example-3-cutoff-sweep.png", dpi=150)
