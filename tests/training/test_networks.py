"""The networks' shapes, and what they cost."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-all installs it")

from facectrl_fast.training.networks import (  # noqa: E402
    Autoencoder,
    EvenLight,
    Standardized,
    VariationalAutoencoder,
    seed_classifier,
    small_cnn,
)
from facectrl_fast.training.tasks import error_threshold  # noqa: E402

pytestmark = pytest.mark.train


def test_the_classifier_is_the_seed_s():
    sizes = [tuple(p.shape) for p in seed_classifier().parameters()]
    assert sizes == [(64, 4096), (64,), (2, 64), (2,)]


def test_the_cnn_fits_into_300_kilobytes():
    assert 4 * sum(p.numel() for p in small_cnn().parameters()) < 290_000


@pytest.mark.parametrize("build", [seed_classifier, small_cnn])
def test_logits_are_made_of_the_embedding(build):
    torch.manual_seed(0)
    network = build().eval()
    logits, embedding = network(torch.rand(3, 1, 64, 64))
    torch.testing.assert_close(network.head(embedding), logits)


def test_exposure_and_contrast_do_not_matter_to_the_cnn():
    layer = EvenLight()
    crops = torch.rand(4, 1, 64, 64)
    torch.testing.assert_close(layer(crops * 0.5 + 0.2), layer(crops), atol=0.15, rtol=0)


@pytest.mark.parametrize("build", [Autoencoder, VariationalAutoencoder])
def test_reconstruction_networks_give_the_mean_squared_error(build):
    torch.manual_seed(0)
    network = build().eval()
    crops = torch.rand(5, 1, 64, 64)
    code = network.encoder(crops)
    code = network.mean(code) if isinstance(network, VariationalAutoencoder) else code
    back = network.decoder(code).detach().numpy()
    expected = ((back - crops.flatten(1).numpy()) ** 2).mean(1, keepdims=True)
    np.testing.assert_allclose(network(crops).detach().numpy(), expected, rtol=1e-5)


def test_standardized_crops_have_no_mean_picture_and_spread_one():
    crops = torch.rand(50, 1, 64, 64) * 0.3 + 0.5
    layer = Standardized(noise=0.5).eval()
    layer.fit(crops)
    assert float(layer(crops).mean(0).abs().max()) < 1e-4
    assert float(layer(crops).std()) == pytest.approx(1, abs=0.02)
    assert (layer(crops) == layer(crops)).all(), "noise is for training only"


def test_the_threshold_is_the_mean_and_three_spreads_of_the_on_pictures():
    errors, labels = np.array([1.0, 3.0, 100.0]), np.array([0, 0, 1])
    threshold = error_threshold(errors, labels)
    assert threshold.limit == pytest.approx(2.0 + 3 * 1.0)
