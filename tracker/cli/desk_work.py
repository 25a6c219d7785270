"""What does each kind of the desk's long work, for every command that runs it."""

from tracker.exports.audit_file import add_audited_renewals
from tracker.exports.certificate_bundles import add_certificates
from tracker.jobs.desk_work import DeskBatches
from tracker.notifications.mailing_sending import send_next_messages
from tracker.services.desk_tasks import AUDIT_FILE, CERTIFICATES, MAILING

BATCHES: DeskBatches = {
    MAILING: send_next_messages,
    AUDIT_FILE: add_audited_renewals,
    CERTIFICATES: add_certificates,
}
