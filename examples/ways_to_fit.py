"""
Ways to fit
===========

The three estimators, and what each can learn: the LDOS of the atoms, the total DOS, or both.
"""

# %%
# Every tenth structure of the shipped silicon set, and SOAP without tight binding, keep this quick. All models predict
# the LDOS.

import time

from matplotlib.figure import Figure

import ldosml

data = ldosml.load_dataset("silicon", smearing_width=0.3)
train, test = data.select(slice(None, None, 10)).split(test_size=0.25, random_state=0)
regressors = {
    "LDOS of every atom": ldosml.LDOSKernelRidge(),
    "total DOS, shared by the model": ldosml.LDOSKernelRidge(learn="dos"),
    "both": ldosml.LDOSKernelRidge(learn="both", ldos_weight=10.0),
    "LDOS, on 200 inducing points": ldosml.SparseLDOSKernelRidge(n_inducing=200),
    "LDOS, linear": ldosml.LDOSRidge(),
}
print(f"{len(train)} structures for training, {len(test)} held out\n")
print(f"{'learned':30} {'LDOS':>6} {'DOS':>6} {'seconds':>8}   L/sigma")
errors = {"LDOS": [], "DOS": []}
for name, regressor in regressors.items():
    model = ldosml.DOSModel(ldosml.Whitened(ldosml.SOAP()), regressor, high=5.0)
    start = time.perf_counter()
    model.fit(train)
    seconds = time.perf_counter() - start
    losses = model.evaluate(test).losses()
    errors["LDOS"].append(losses["ldos_normalized_loss"])
    errors["DOS"].append(losses["dos_normalized_loss"])
    print(f"{name:30} {errors['LDOS'][-1]:6.3f} {errors['DOS'][-1]:6.3f} {seconds:8.1f}")

# %%
# The total DOS is learned about as well from either target. The LDOS needs LDOS to learn from: the shares that the
# model finds on its own are not the projected ones.

figure = Figure(figsize=(6.0, 2.6), layout="constrained")
ax = figure.subplots()
for (name, values), color in zip(errors.items(), ("#0072B2", "#D55E00"), strict=True):
    ax.plot(values, list(regressors), "o", color=color, label=name)
ax.set(xlabel="L/sigma on held-out structures", xlim=(0, None))
ax.invert_yaxis()
ax.legend(frameon=False)
figure.savefig("example-8-ways-to-fit.png", dpi=150)

# %%
# The plan gives the memory and the time of a fit before it starts. A fit that memory does not hold is refused.

print(f"{ldosml.LDOSKernelRidge(1e-3).plan(23_778, 252, 400)}")
