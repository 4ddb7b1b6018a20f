"""The directory of partners: editors add partners, change their rules, and delete them.

A change applies in this process at once, and in the other processes as soon as they read the rules again
(`access/partner_admission.py`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from liveserver.domain.errors import check_version
from liveserver.domain.ids import new_partner_id, now
from liveserver.domain.partner import Attribution, Partner

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from liveserver.access.partner_admission import PartnerAdmission
    from liveserver.domain.ids import EntityVersion
    from liveserver.domain.inputs.models import AttributionInput, PartnerInput, PartnerPatch
    from liveserver.domain.people.principal import Principal
    from liveserver.store import Store


class PartnerDirectory:
    """The actions of editors on partners: each changes partners in the store."""

    def __init__(self, store: Store, admission: PartnerAdmission, *, clock: Callable[[], datetime] = now) -> None:
        """`admission`: notified of every change, so that the change applies in this process at once."""
        self._partners = store.partners
        self._admission = admission
        self._clock = clock

    async def create(self, content: PartnerInput, by: Principal) -> Partner:
        """Create a partner, and return it. Raises Conflict if the store has `PARTNERS_MAX` partners already."""
        partner = await self._partners.add(new_partner(content, self._clock()), by)
        await self._admission.changed()
        return partner

    async def edit(
        self, partner_id: str, patch: PartnerPatch, by: Principal, *, version: EntityVersion | None
    ) -> Partner:
        """Apply a patch to a partner, and return the changed partner.

        `version`: the version that the client edited; None if the patch may apply to any version. Raises NotFound if
        there is no such partner. Raises VersionConflict if another version is current.
        """
        at = self._clock()

        def edit(current: Partner) -> Partner:
            check_version(current, version, current.entity_version.history)
            return edited_partner(current, patch, at)

        partner = await self._partners.edit(partner_id, edit, by)
        await self._admission.changed()
        return partner

    async def delete(self, partner_id: str, by: Principal, *, version: EntityVersion | None) -> None:
        """Delete a partner, and disconnect its viewers.

        `version`: the version that the client wants to delete; None for any version. Raises NotFound if there is no
        such partner. Raises VersionConflict if another version is current.
        """
        await self._partners.delete(partner_id, by, self._clock(), version=version)
        await self._admission.changed()


def new_partner(content: PartnerInput, at: datetime) -> Partner:
    """Return a new partner, to be stored by the caller. `at`: the moment of its creation."""
    return Partner(
        id=new_partner_id(),
        name=content.name,
        origins=tuple(content.origins),
        liveblogs=tuple(content.liveblogs),
        tags=tuple(content.tags),
        delay=content.delay,
        expires_at=content.expires_at,
        enabled=content.enabled,
        theme=content.theme.model_dump(exclude_none=True),
        attribution=_attribution(content.attribution),
        created_at=at,
        updated_at=at,
        version=1,
    )


def edited_partner(current: Partner, patch: PartnerPatch, at: datetime) -> Partner:
    """Return the partner with the patch applied. If the patch changes nothing, the result is `current` itself.

    `at`: the moment of the change.
    """
    new = replace(current, **_fields(patch))
    return current if new == current else replace(new, updated_at=at)


def _fields(patch: PartnerPatch) -> dict[str, Any]:
    """Return the new values of the fields that a patch names. Each value has the type of that field in `Partner`."""
    fields = patch.sent()
    for name in {"origins", "liveblogs", "tags"} & fields.keys():
        fields[name] = tuple(getattr(patch, name))
    if "theme" in fields:
        fields["theme"] = patch.theme.model_dump(exclude_none=True)
    if "attribution" in fields:
        fields["attribution"] = _attribution(patch.attribution)
    return fields


def _attribution(content: AttributionInput | None) -> Attribution | None:
    return None if content is None else Attribution(content.text, content.url)
