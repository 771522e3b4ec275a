"""The TypeScript trainer beside PyTorch: losses of all heads, gradients, weights after some steps, statistics, logits."""

import json
import subprocess

import pytest
import torch
from conftest import REPOSITORY
from reference_nets import CaffeNet, GoogLeNet, ResNet, SmallConvnet
from safetensors.torch import load_file, save_file
from torch.nn import functional

NUM_CLASSES = 7
CAFFENET_DROPOUT = {"fc6": (0.5, 4096), "fc7": (0.5, 4096)}
GOOGLENET_DROPOUT = {"pool5/drop_7x7_s1": (0.4, 1024), "loss1/drop_fc": (0.7, 1024), "loss2/drop_fc": (0.7, 1024)}

NETS = {
    "small-convnet": lambda: SmallConvnet(NUM_CLASSES),
    "caffenet": lambda: CaffeNet(NUM_CLASSES),
    "alexnet": lambda: CaffeNet(NUM_CLASSES, norm_first=True),
    "googlenet": lambda: GoogLeNet(NUM_CLASSES),
    "resnet-18": lambda: ResNet((2, 2, 2, 2), False, NUM_CLASSES),
    "resnet-50": lambda: ResNet((3, 4, 6, 3), True, NUM_CLASSES),
}

#: Sides are small, and such that poolings have windows that hang over the edge.
CASES = {
    "small-convnet": {"side": 112, "solver": {"rule": "adam", "iterSize": 2}},
    "caffenet": {"side": 71, "solver": {"rule": "sgd"}, "dropout": CAFFENET_DROPOUT},
    "alexnet": {"side": 71, "solver": {"rule": "nesterov"}, "dropout": CAFFENET_DROPOUT},
    "googlenet": {"side": 111, "solver": {"rule": "sgd"}, "dropout": GOOGLENET_DROPOUT},
    "resnet-18": {"side": 64, "solver": {"rule": "adam", "labelSmoothing": 0.1}},
    # One step: in the second, what fell out otherwise in the first has gone through fifty layers.
    "resnet-50": {"side": 64, "numSteps": 1, "solver": {"rule": "nesterov", "labelSmoothing": 0.1}},
}
COMMON_SOLVER = {
    "learningRate": {"policy": {"type": "fixed", "baseRate": 0.0005}, "numWarmUpSteps": 2},
    "momentum": 0.9,
    "momentum2": 0.99,
    # Above the noise of float32: Adam would make whole steps of gradients that are but rounding.
    "delta": 1e-3,
    "weightDecay": 0.01,
    "iterSize": 1,
    "labelSmoothing": 0,
}
RATES = [0.00025, 0.0005]
BATCH_SIZE = 3
#: Errors that are not rounding: a ReLU or a maximum that falls out one way here and the other there.
FLIPS = 2e-2


@pytest.mark.parametrize("name", CASES)
def test_it_learns_what_pytorch_learns(tmp_path, name):
    case = {"model": name, "backend": "wasm", "numClasses": NUM_CLASSES, "numSteps": len(RATES), "dropout": {}}
    case |= CASES[name]
    case["solver"] = solver = COMMON_SOLVER | case["solver"]
    torch.manual_seed(1)
    net = NETS[name]()
    batches = [make_batch(case["side"]) for _ in range(case["numSteps"] * solver["iterSize"])]
    net.eval()(batches[0]["images"], {})  # Gives lazy layers their shapes.
    damp(net)
    begin = trainer_layout(net)
    learnt = run_trainer(tmp_path, case, begin, batches)

    losses, slots = learn(net.train(), batches, RATES[: case["numSteps"]], solver, learnt)
    torch.testing.assert_close(learnt["losses"], torch.tensor(losses), rtol=1e-5, atol=0)
    end = trainer_layout(net)
    for key, tensor in end.items():
        change = (tensor - begin[key]).norm()
        assert (learnt[key] - tensor).norm() < FLIPS * change + 1e-6 * tensor.norm(), key
    # Sums of gradients, with rates, momentum and decay in them.
    errors = {key: relative_error(learnt[f"solver.{key}"], slot) for key, slot in slots.items()}
    assert sorted(errors.values())[len(errors) // 2] < 5e-5
    assert max(errors.values()) < FLIPS, max(errors, key=errors.get)
    logits = net.eval()(batches[0]["images"], {})[0][1]
    assert relative_error(learnt["logits"], logits.detach()) < 1e-3


def test_it_takes_torchvisions_resnets(tmp_path):
    torch.manual_seed(2)
    net = ResNet((2, 2, 2, 2), False, NUM_CLASSES)
    batch = make_batch(64)
    # What torchvision's nets take: R, G, B in [0, 1], less the mean, over the deviation.
    scaled = batch["images"].flip(1) / 255 / torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    net(scaled, {})
    save_file(net.state_dict(), tmp_path / "resnet18.safetensors")
    case = {"model": "resnet-18", "side": 64, "solver": COMMON_SOLVER | {"rule": "sgd"}, "dropout": {}}
    case |= {
        "backend": "wasm",
        "numClasses": NUM_CLASSES,
        "numSteps": 0,
        "weights": str(tmp_path / "resnet18.safetensors"),
    }
    learnt = run_trainer(tmp_path, case, {}, [batch])
    assert relative_error(learnt["logits"], net.eval()(scaled, {})[0][1].detach()) < 1e-4


def make_batch(side):
    """Stripes, of another direction, width and colour in each image, under noise; the last image is padding."""
    y, x = torch.arange(side)[:, None], torch.arange(side)
    angles, colours = torch.rand(BATCH_SIZE, 2, 1, 1, 1), torch.rand(BATCH_SIZE, 3, 1, 1)
    stripes = torch.sin(angles[:, 0] * y + angles[:, 1] * x + 6 * colours)
    noise = torch.rand(BATCH_SIZE, 3, side, side) - 0.5
    return {
        "images": 80 * stripes + 100 * (colours - 0.5) + 40 * noise,
        "labels": torch.randint(NUM_CLASSES, (BATCH_SIZE,)),
        "isValid": torch.arange(BATCH_SIZE) < BATCH_SIZE - 1,
    }


def damp(net):
    """Lets residuals begin small: a deep net magnifies rounding otherwise."""
    for name, module in net.named_modules():
        if name.endswith(("bn2", "bn3")):
            torch.nn.init.constant_(module.weight, 0.2)


def run_trainer(folder, case, weights, batches):
    """What the learner process writes for a case."""
    given = {f"{i}.{name}": tensor.float() for i, batch in enumerate(batches) for name, tensor in batch.items()}
    for i, batch in enumerate(batches):
        given[f"{i}.images"] = batch["images"].permute(0, 2, 3, 1).contiguous()
    save_file(given | weights, folder / "given.safetensors")
    process = REPOSITORY / "dist/test/fixtures/learner-process.js"
    files = [folder / "given.safetensors", folder / "learnt.safetensors"]
    subprocess.run(["node", process, json.dumps(case), *files], check=True)
    return load_file(files[1])


def learn(net, batches, rates, solver, masks):
    """The loss of each batch, and what the solver keeps after the last step, as `<slot>.<parameter>`."""
    parameters = dict(net.named_parameters())
    optimizer, slots = make_optimizer(net, solver)
    losses = []
    for step, rate in enumerate(rates):
        optimizer.zero_grad()
        for _ in range(solver["iterSize"]):
            batch, prefix = batches[len(losses)], f"{len(losses)}."
            own_masks = {key.removeprefix(prefix): mask for key, mask in masks.items() if key.startswith(prefix)}
            is_valid = batch["isValid"]
            loss = sum(
                weight
                * functional.cross_entropy(
                    logits[is_valid], batch["labels"][is_valid], label_smoothing=solver["labelSmoothing"]
                )
                for weight, logits in net(batch["images"], own_masks)
            )
            (loss / solver["iterSize"]).backward()
            losses.append(loss.item())
        for group in optimizer.param_groups:
            (parameter,) = group["params"]
            parameter.grad += solver["weightDecay"] * group["decay_multiplier"] * parameter.detach()
            if solver["rule"] == "adam":
                # Caffe adds its epsilon before the correction of the second moment, PyTorch behind it.
                group["eps"] = solver["delta"] / (1 - solver["momentum2"] ** (step + 1)) ** 0.5
                group["lr"] = rate * group["rate_multiplier"]
            else:
                # The rate inside the momentum: PyTorch's rule at a rate of 1, of scaled gradients.
                parameter.grad *= rate * group["rate_multiplier"]
        optimizer.step()
    kept = {
        f"{ours}.{key}": outputs_last(optimizer.state[parameter][theirs])
        for key, parameter in parameters.items()
        for ours, theirs in slots.items()
    }
    return losses, kept


def make_optimizer(net, solver):
    """An optimizer with a group for each parameter, and its names for what the trainer calls slots."""
    normalizations = {name for name, module in net.named_modules() if isinstance(module, torch.nn.BatchNorm2d)}
    groups = []
    for key, parameter in net.named_parameters():
        layer, kind = key.rsplit(".", 1)
        multipliers = (1, 0) if layer in normalizations else (2, 0) if kind == "bias" else (1, 1)
        groups.append({"params": [parameter], "rate_multiplier": multipliers[0], "decay_multiplier": multipliers[1]})
    if solver["rule"] == "adam":
        adam = torch.optim.Adam(groups, betas=(solver["momentum"], solver["momentum2"]))
        return adam, {"moment1": "exp_avg", "moment2": "exp_avg_sq"}
    is_nesterov = solver["rule"] == "nesterov"
    sgd = torch.optim.SGD(groups, lr=1, momentum=solver["momentum"], nesterov=is_nesterov)
    return sgd, {"momentum": "momentum_buffer"}


def trainer_layout(net):
    """A copy of parameters and running statistics as the trainer has them."""
    state = net.state_dict()
    return {key: outputs_last(state[key]).clone() for key in state if not key.endswith("num_batches_tracked")}


def outputs_last(tensor):
    """[outputs, inputs, rows, columns] to [rows, columns, inputs, outputs], [outputs, inputs] to [inputs, outputs]."""
    return (
        tensor.permute(2, 3, 1, 0).contiguous()
        if tensor.ndim == 4
        else tensor.mT.contiguous()
        if tensor.ndim == 2
        else tensor
    )


def relative_error(actual, expected):
    return float((actual - expected).norm() / expected.norm())
