"""The ways to fit: on the atoms' LDOS, on the total DOS alone, on both, and on few inducing points."""

import time

import ldosml

# Every fifth structure of the shipped silicon set keeps this quick; learn up to 5 eV above the Fermi level.
data = ldosml.load_dataset("silicon", smearing_width=0.3)
train, test = data.select(slice(None, None, 5)).split(test_size=0.25, random_state=0)
options = {"alpha": "leave-one-group-out", "kernel": "matern"}
ways = {
    "LDOS of every atom": ldosml.LDOSKernelRidge(**options),
    "total DOS, split by the model": ldosml.LDOSKernelRidge(learn="dos", **options),
    "both": ldosml.LDOSKernelRidge(learn="both", ldos_weight=10.0, **options),
    "LDOS, 200 inducing points": ldosml.SparseLDOSKernelRidge(n_inducing=200, **options),
}
print(f"{len(train)} structures to learn from, {len(test)} held out\n")
print(f"{'learned from':32} {'LDOS':>6} {'DOS':>6} {'seconds':>8}   L/sigma")
for name, regressor in ways.items():
    model = ldosml.DOSModel(ldosml.SOAP(r_cut=6.0), regressor, high=5.0)
    start = time.perf_counter()
    model.fit(train)
    seconds = time.perf_counter() - start
    losses = model.evaluate(test).losses()
    print(f"{name:32} {losses['ldos_normalized_loss']:6.3f} {losses['dos_normalized_loss']:6.3f} {seconds:8.1f}")

# What a fit will take, before it starts; one that memory does not hold is refused.
print(f"\n{ldosml.LDOSKernelRidge(1e-3).plan(23_778, 252, 400)}")
