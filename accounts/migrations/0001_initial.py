

import accounts.validators
import django.contrib.auth.models
import django.db.models.functions.text
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
    ]

    operations = [
        migrations.CreateModel(
            name='Asset',
            fields=[
                ('code', models.CharField(max_length=10, primary_key=True, serialize=False)),
                ('decimals', models.PositiveSmallIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name='NotificationsRead',
            fields=[
                ('account_id', models.BigIntegerField(primary_key=True, serialize=False)),
                ('read_to_id', models.BigIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name='ReconciliationRun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('started_at', models.DateTimeField()),
                ('finished_at', models.DateTimeField()),
                ('source', models.CharField(choices=[('engine', 'The running engine'), ('journal', 'A replay of the journal')], max_length=8)),
                ('sequence', models.BigIntegerField(default=0)),
                ('result', models.CharField(choices=[('agreed', 'Agreed'), ('differed', 'Differed'), ('failed', 'Failed')], max_length=8)),
                ('checked_count', models.BigIntegerField(default=0)),
                ('difference_count', models.BigIntegerField(default=0)),
                ('differences', models.JSONField(default=list)),
                ('failure', models.TextField(blank=True)),
            ],
        ),
        migrations.CreateModel(
            name='LedgerEntry',
            fields=[
                ('id', models.BigIntegerField(primary_key=True, serialize=False)),
                ('time_ns', models.BigIntegerField()),
                ('account_id', models.BigIntegerField()),
                ('asset', models.CharField(max_length=10)),
                ('amount_minor', models.BigIntegerField()),
                ('kind', models.CharField(choices=[('deposit', 'Deposit'), ('withdrawal', 'Withdrawal'), ('trade', 'Trade'), ('fee', 'Fee')], max_length=10)),
                ('reference', models.CharField(blank=True, max_length=64)),
            ],
            options={
                'verbose_name_plural': 'ledger entries',
                'indexes': [models.Index(fields=['account_id', 'id'], name='accounts_ledger_account')],
            },
        ),
        migrations.CreateModel(
            name='Notification',
            fields=[
                ('id', models.BigIntegerField(primary_key=True, serialize=False)),
                ('time_ns', models.BigIntegerField()),
                ('account_id', models.BigIntegerField()),
                ('kind', models.CharField(choices=[('fill', 'Fill'), ('cancel', 'Cancel'), ('reject', 'Reject'), ('deposit', 'Deposit'), ('withdrawal', 'Withdrawal'), ('reconciliation', 'Reconciliation')], max_length=14)),
                ('data', models.JSONField()),
            ],
            options={
                'indexes': [models.Index(fields=['account_id', 'id'], name='accounts_notification_account')],
            },
        ),
        migrations.CreateModel(
            name='Wallet',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('account_id', models.BigIntegerField()),
                ('asset', models.CharField(max_length=10)),
                ('available_minor', models.BigIntegerField()),
                ('held_minor', models.BigIntegerField()),
                ('sequence', models.BigIntegerField()),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('account_id', 'asset'), name='accounts_wallet_account')],
            },
        ),
        migrations.CreateModel(
            name='User',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('password', models.CharField(max_length=128, verbose_name='password')),
                ('last_login', models.DateTimeField(blank=True, null=True, verbose_name='last login')),
                ('is_superuser', models.BooleanField(default=False, help_text='Designates that this user has all permissions without explicitly assigning them.', verbose_name='superuser status')),
                ('first_name', models.CharField(blank=True, max_length=150, verbose_name='first name')),
                ('last_name', models.CharField(blank=True, max_length=150, verbose_name='last name')),
                ('is_staff', models.BooleanField(default=False, help_text='Designates whether the user can log into this admin site.', verbose_name='staff status')),
                ('is_active', models.BooleanField(default=True, help_text='Designates whether this user should be treated as active. Unselect this instead of deleting accounts.', verbose_name='active')),
                ('date_joined', models.DateTimeField(default=django.utils.timezone.now, verbose_name='date joined')),
                ('username', models.CharField(error_messages={'unique': 'Another user has this name.'}, help_text='Letters, digits and . _ + - only.', max_length=150, unique=True, validators=[accounts.validators.UsernameValidator()])),
                ('email', models.EmailField(max_length=254, verbose_name='e-mail address')),
                ('notify', models.BooleanField(default=True, help_text='Gets notifications of fills, cancels, rejects and deposits.')),
                ('funds_due', models.BooleanField(default=False, editable=False)),
                ('engine_status', models.CharField(blank=True, choices=[('active', 'Active'), ('closed', 'Closed')], default='', editable=False, max_length=8)),
                ('groups', models.ManyToManyField(blank=True, help_text='The groups this user belongs to. A user will get all permissions granted to each of their groups.', related_name='user_set', related_query_name='user', to='auth.group', verbose_name='groups')),
                ('user_permissions', models.ManyToManyField(blank=True, help_text='Specific permissions for this user.', related_name='user_set', related_query_name='user', to='auth.permission', verbose_name='user permissions')),
            ],
            options={
                'verbose_name': 'user',
                'verbose_name_plural': 'users',
                'permissions': [('trade', 'May place and cancel orders'), ('adjust_balance', 'May credit and debit accounts'), ('run_reconciliation', 'May start a reconciliation')],
                'abstract': False,
                'indexes': [models.Index(condition=models.Q(('funds_due', True)), fields=['id'], name='accounts_user_funds_due')],
                'constraints': [models.UniqueConstraint(django.db.models.functions.text.Lower('email'), name='accounts_user_email_ci', violation_error_message='Another user has this e-mail address.'), models.UniqueConstraint(django.db.models.functions.text.Lower('username'), name='accounts_user_username_ci', violation_error_message='Another user has this name; capitals make no difference.')],
            },
            managers=[
                ('objects', django.contrib.auth.models.UserManager()),
            ],
        ),
    ]
